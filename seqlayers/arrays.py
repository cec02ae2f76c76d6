"""Operations on arrays that `keras.ops` lacks."""

import numpy as np
from keras import ops


def in_parts(values, sizes, axis=-1):
    """Returns the parts of these sizes; `ops.split` refuses to leave one part as it is."""
    ends = np.cumsum(sizes)[:-1].tolist()
    return ops.split(values, ends, axis=axis) if ends else [values]
