"""Models whose memory fixes the first context, or a part of it, and what they serve."""

import keras
import numpy as np
import pytest
from export_helpers import LENGTHS, SEEDS, Exported, frames_for, metagraph, randomised, state_of

from seqlayers.datasets import batches
from seqlayers.heads import BernoulliHead
from seqlayers.layers import FrameHistory, Joined, KeyShared, Position, PositionCell
from seqlayers.models import SequenceModel

V = 4


def history():
    return FrameHistory((1, 3), (0.5,))


def test_a_memory_that_fixes_the_first_context_learns_none():
    model = SequenceModel(history(), BernoulliHead(V, seed=0))
    assert model.initial_context is None
    assert model.trainable_weights == model.head.trainable_weights
    np.testing.assert_array_equal(model.initial_state(2).context, np.zeros((2, 12)))
    model.compile("adam", run_eagerly=True)
    model.pretrain_memory([np.ones((3, V))], epochs=1, verbose=0)


def test_a_joined_memory_learns_the_first_context_of_its_other_parts_alone():
    parts = [keras.layers.SimpleRNNCell(2), Position(2, first_steps=0)]
    model = SequenceModel(Joined([*parts, keras.layers.GRUCell(3)]), BernoulliHead(V, seed=0))
    model.initial_context.assign([1, 2, 3, 4, 5])
    context, memory = model.initial_state(1)
    np.testing.assert_array_equal(context, [[1, 2, 0, 0, 0, 0, 1, 0, 3, 4, 5]])
    first, clock, last = memory
    np.testing.assert_array_equal(first, [[1, 2]])
    np.testing.assert_array_equal(clock, [[0, 0, 0]])
    np.testing.assert_array_equal(last, [[3, 4, 5]])


def test_a_count_of_the_size_of_its_output_starts_at_zero():
    model = SequenceModel(PositionCell(pass_inputs=False), BernoulliHead(V, seed=0))
    np.testing.assert_array_equal(model.initial_state(1).memory[0], [[0, 0, 0]])


def test_a_model_can_be_built_once_more_with_frames_of_its_size_alone():
    model = SequenceModel(keras.layers.LSTMCell(2), BernoulliHead(V, seed=0))
    before = model.initial_context
    model.build((None, None, V))
    assert model.initial_context is before is not None
    with pytest.raises(ValueError, match=f"the {V} visible units of the head.*, {V + 1}"):
        model.build((None, None, V + 1))


def test_pieces_that_do_not_begin_with_a_bar_are_refused():
    memory = Joined([history(), [PositionCell(4), keras.layers.GRUCell(2)]])
    model = SequenceModel(memory, BernoulliHead(V, seed=0))
    model.compile("adam", run_eagerly=True)
    x = np.zeros((1, 12, V))
    for wrong in ({"max_steps": 6}, {"max_steps": 8, "warm_up": 2}):
        name, number = list(wrong.items())[-1]
        message = f"`{name}` must be a multiple of the metre.*PositionCell`, 4: .*{name}={number}"
        with pytest.raises(ValueError, match=message):
            model.fit(x, verbose=0, **wrong)
        with pytest.raises(ValueError, match=message):
            model.fit(batches(x, **wrong), verbose=0)


def test_served_it_is_the_model(tmp_path):
    of_place = [PositionCell(3), keras.layers.LSTMCell(5, dropout=0.5)]
    of_keys = KeyShared(keras.layers.GRU(2, dropout=0.5, return_sequences=True), 1, 3)
    memory = Joined([history(), Position(16), of_place, of_keys])
    model = randomised(SequenceModel(memory, BernoulliHead(V, seed=0)))
    exported = Exported(model, model.export(tmp_path / "1"))
    functions = metagraph(exported.path).graph_def.library.function
    assert not [n.op for f in functions for n in f.node_def if "Random" in n.op]  # of dropout
    frames, mask = frames_for(model), np.arange(7) < LENGTHS[:, None]
    contexts = model.contexts(frames, mask).numpy()
    given = {"frames": frames, "lengths": LENGTHS}
    np.testing.assert_allclose(
        exported("serve", **given)["context"][mask], contexts[mask], atol=1e-6
    )
    expected = model.head.log_prob(frames, contexts)[0]
    score = exported("score", **given, seed=SEEDS)["log_prob"]
    np.testing.assert_allclose(score[mask], expected[mask], atol=1e-5)
    state = exported.start(4)
    for t in range(3):
        np.testing.assert_allclose(state["context"][0], contexts[0, t], atol=1e-6)
        state = state_of(exported("step", frame=frames[:, t], **state))
    np.testing.assert_allclose(state["context"][0], contexts[0, 3], atol=1e-6)
    primed = state_of(exported("prime", **given, **exported.start(4)))
    expected = model.prime(frames[:1], model.initial_state(1))
    np.testing.assert_allclose(primed["context"][:1], expected.context, atol=1e-6)
    drawn = exported.generate(exported.start(1), np.array([[3, 1]], "int32"), 5)["frames"]
    again = model.draw(model.initial_state(1), np.array([[3, 1]], "int32"), 5, 1.0)
    np.testing.assert_array_equal(drawn, again)
