"""Endpoints of a `FrameLabeller`."""

import keras
import tensorflow as tf

from seqlayers.export.endpoints import Endpoints, keep_where, mask_of, of_any_length


class LabelEndpoints(Endpoints):
    """Functions behind the signatures of a `FrameLabeller`.

    Args:
        model: The model.
    """

    def __init__(self, model):
        super().__init__("float32")
        self.model = model
        F = model.num_features
        self.specs = {
            "frames": tf.TensorSpec((None, None, F), tf.float32),
            "block": tf.TensorSpec((None, model.frames_per_step, F), tf.float32),
            "lengths": tf.TensorSpec((None,), tf.int32),
            "rows": tf.TensorSpec((None,), tf.int32),
        }
        self.state_names = []
        if not model.bidirectional:
            self.start = model.initial_state(1)
            parts = keras.tree.flatten(model.initial_state(2))
            self.state_names = [f"state_{i}" for i in range(len(parts))]
            self.add_states(parts, self.state_names)

    def signatures(self):
        functions = {"serve": self.concrete(self.serve, "frames", "lengths")}
        if self.state_names:
            functions["initial_state"] = self.concrete(self.initial_state, "rows")
            functions["step"] = self.concrete(self.step, "block", *self.state_names)
        return functions

    @of_any_length
    def serve(self, frames, lengths):
        mask = mask_of(frames, lengths)
        return {"log_probs": keep_where(mask, self.model((frames, mask), training=False))}

    def initial_state(self, rows):
        parts = keras.tree.flatten(self.start)
        return {
            name: tf.repeat(part, tf.shape(rows)[0], axis=0)
            for name, part in zip(self.state_names, parts, strict=True)
        }

    def step(self, block, **state):
        parts = [
            tf.cast(state[name], part.dtype)
            for name, part in zip(self.state_names, keras.tree.flatten(self.start), strict=True)
        ]
        state = keras.tree.pack_sequence_as(self.start, parts)
        log_probs, state = self.model.step(block, state)
        after = zip(self.state_names, keras.tree.flatten(state), strict=True)
        return {"log_probs": log_probs} | {f"next_{name}": part for name, part in after}
