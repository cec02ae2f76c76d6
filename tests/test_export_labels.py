"""An exported `FrameLabeller` gives the labels of the model, frame by frame and at once."""

import numpy as np
import pytest
import tensorflow as tf
from export_helpers import LENGTHS, check_signatures, foreign_operations, randomised

from seqlayers.models import FrameLabeller

BLOCK = 2


@pytest.fixture(scope="module")
def streaming(tmp_path_factory):
    """A model that reads a stream, and the signatures of its export."""
    labeller = FrameLabeller(
        ["a", "b"], 16000, units=3, bidirectional=False, frames_per_step=BLOCK, num_bands=8, seed=0
    )
    randomised(labeller).adapt([np.random.default_rng(0).normal(2, 3, size=(9, 9))])
    path = labeller.export(tmp_path_factory.mktemp("exports") / "labels" / "1")
    return labeller, path, tf.saved_model.load(str(path)).signatures


@pytest.fixture
def frames(streaming, rng):
    return rng.normal(2, 3, (4, max(LENGTHS), streaming[0].num_features)).astype("float32")


def call(signatures, name, **inputs):
    outputs = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
    return {k: v.numpy() for k, v in outputs.items()}


def test_signatures_are_named_as_documented(streaming):
    labeller, path, signatures = streaming
    state = {f"state_{n}" for n in range(4)}
    expected = {
        "serve": ({"frames", "lengths"}, {"log_probs"}),
        "initial_state": ({"rows"}, state),
        "step": ({"block", *state}, {"log_probs", *(f"next_{name}" for name in state)}),
    }
    check_signatures(signatures, expected)
    assert not foreign_operations(path)


def test_serve_gives_the_log_probabilities_of_the_model(streaming, frames):
    labeller, _, signatures = streaming
    frames[np.arange(frames.shape[1]) >= LENGTHS[:, None]] = np.nan  # padding may hold anything
    served = call(signatures, "serve", frames=frames, lengths=LENGTHS)["log_probs"]
    for row, length, own in zip(served, LENGTHS, frames, strict=True):
        if length:
            (expected,) = labeller.log_probs([own[:length]])
            np.testing.assert_allclose(row[:length], expected, atol=1e-5)
        assert not row[length:].any()
    none = call(signatures, "serve", frames=frames[:, :0], lengths=0 * LENGTHS)["log_probs"]
    assert none.shape == (4, 0, 3)


def test_block_by_block_is_what_serve_gives(streaming, frames):
    _, _, signatures = streaming
    steps = frames.shape[1] // BLOCK * BLOCK
    state, found = call(signatures, "initial_state", rows=np.zeros(4, "int32")), []
    for t in range(0, steps, BLOCK):
        after = call(signatures, "step", block=frames[:, t : t + BLOCK], **state)
        found.append(after.pop("log_probs"))
        state = {name.removeprefix("next_"): part for name, part in after.items()}
    lengths = np.full(4, steps, "int32")
    served = call(signatures, "serve", frames=frames[:, :steps], lengths=lengths)["log_probs"]
    np.testing.assert_allclose(np.concatenate(found, axis=1), served, atol=1e-5)


def test_wrong_inputs_are_refused(streaming, frames):
    _, _, signatures = streaming

    def refused(match):
        return pytest.raises(tf.errors.InvalidArgumentError, match=match)

    with refused("`frames` must be finite"):
        call(signatures, "serve", frames=frames + np.inf, lengths=LENGTHS)
    with refused("`lengths` must lie in 0 .. steps of `frames`"):
        call(signatures, "serve", frames=frames, lengths=LENGTHS + 1)
    state = call(signatures, "initial_state", rows=np.zeros(4, "int32"))
    with refused("`block` must be finite"):
        call(signatures, "step", block=np.full((4, BLOCK, 9), np.nan, "float32"), **state)
    with refused("must have as many rows as"):
        call(signatures, "step", block=frames[:2, :BLOCK], **state)


def test_a_bidirectional_model_has_no_steps(tmp_path):
    labeller = FrameLabeller(["a"], 16000, units=2, num_bands=8, seed=0)
    path = labeller.export(tmp_path / "1")
    assert set(tf.saved_model.load(str(path)).signatures) == {"serve", "serving_default"}
    with pytest.raises(ValueError, match='`format` must be "tf_saved_model"'):
        labeller.export(tmp_path / "2", format="onnx")
    with pytest.raises(FileExistsError):
        labeller.export(tmp_path / "1")
