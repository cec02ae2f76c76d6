"""The reader that tests of label files share."""

import pytest

from seqlayers.datasets import labels


@pytest.fixture
def read(tmp_path):
    """Reads text or bytes as a file: pairs of the times of a label and the label."""

    def read(data, name="song.txt", **options):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        found = labels.read(path, **options)
        assert found.times.dtype == "float64" and found.times.shape == (len(found), 2)
        return [
            (*times, label) for times, label in zip(found.times.tolist(), found.labels, strict=True)
        ]

    return read
