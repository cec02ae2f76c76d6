"""An exported model gives the results of the model, in programs without this package."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from export_helpers import (
    LENGTHS,
    MODELS,
    SEEDS,
    WITH_HIDDEN_UNITS,
    WITH_MEMORY,
    Exported,
    check_signatures,
    exporter,
    foreign_operations,
    frames_for,
    metagraph,
    nodes,
    randomised,
    state_of,
)

from seqlayers import export as exporting
from seqlayers.export import saved_model, sequences
from seqlayers.heads import BernoulliHead
from seqlayers.models import SequenceModel
from seqlayers.sampling import row_seeds, seed_pair


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return exporter(tmp_path_factory.mktemp("exports"))


@pytest.fixture(params=MODELS)
def exported(request, exports):
    return exports(request.param)


@pytest.fixture(params=WITH_MEMORY)
def streaming(request, exports):
    return exports(request.param)


# Signatures.


def test_signatures_are_named_and_typed_as_documented(streaming):
    signatures = streaming.loaded.signatures
    parts = len(keras.tree.flatten(streaming.model.initial_state(1)))
    state = {"context", *(f"state_{i}" for i in range(parts - 1))}
    next_state = {f"next_{name}" for name in state}
    drawn = {"seed", "first_step", "num_steps", "temperature"}
    expected = {
        "serve": ({"frames", "lengths"}, {"context"}),
        "score": ({"frames", "lengths", "seed"}, {"log_prob", "standard_error"}),
        "initial_state": ({"rows"}, state),
        "step": ({"frame", *state}, next_state),
        "prime": ({"frames", "lengths", *state}, next_state),
        "generate": (drawn | state, {"frames", *next_state}),
    }
    head = streaming.model.head
    if head.has_code:
        expected["encode"] = {"frames", "lengths"}, {"code"}
        if head.decodes_alone:
            expected["decode"] = {"code"}, {"frames"}
    check_signatures(signatures, expected)


def test_without_memory_there_is_no_state(exports):
    signatures = exports("no_memory").loaded.signatures
    assert set(signatures) == {"serve", "serving_default", "score", "generate"}
    assert set(signatures["serve"].structured_outputs) == {"reconstruction"}
    assert set(signatures["generate"].structured_outputs) == {"frames"}


@pytest.mark.parametrize("name", WITH_HIDDEN_UNITS)
def test_encode_and_decode_are_the_models(exports, name):
    exported = exports(name)
    model, frames = exported.model, frames_for(exported.model)
    mask = np.arange(frames.shape[1]) < LENGTHS[:, None]
    code = exported("encode", frames=np.where(mask[..., None], frames, np.nan), lengths=LENGTHS)
    assert not code["code"][~mask].any()
    expected = np.asarray(model.encode(frames, mask))
    np.testing.assert_allclose(code["code"][mask], expected[mask], atol=1e-6)
    if not model.head.decodes_alone:
        with pytest.raises(ValueError, match="`context` must be given"):
            model.decode(expected)
        return
    decoded = exported("decode", **code)["frames"]
    reconstructed = np.asarray(model.reconstruct(frames, mask))
    np.testing.assert_allclose(decoded[mask], reconstructed[mask], atol=1e-6)
    with refused("`code` must lie in \\[0, 1\\]"):
        exported("decode", code=code["code"] + 1.1)


def test_no_two_outputs_are_one_tensor(exported):
    for definition in metagraph(exported.path).signature_def.values():
        outputs = [tensor.name for tensor in definition.outputs.values()]
        assert len(set(outputs)) == len(outputs)


def test_the_graph_has_only_standard_operations(exported):
    assert not foreign_operations(exported.path)


def test_a_machine_with_a_gpu_exports_for_all_others(monkeypatch, tmp_path):
    layer = keras.layers.LSTM(3, return_sequences=True)
    model = SequenceModel(layer, BernoulliHead(4, seed=0))
    rnn = importlib.import_module("keras.src.backend.tensorflow.rnn")  # not the function `rnn`
    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    monkeypatch.setattr(layer, "use_cudnn", "auto")  # as it is where Keras sees a GPU
    path = model.export(tmp_path / "1")
    assert not [node.op for node in nodes(path) if "Cudnn" in node.op]
    assert layer.use_cudnn == "auto"


def test_the_file_has_no_name_of_the_machine_it_was_made_on(exports):
    path = exports("simple_rnn").path
    for file in path.rglob("*"):
        assert file.is_dir() or str(path.parents[2]).encode() not in file.read_bytes()


# Contexts and likelihoods.


def test_serve_gives_the_models_contexts(exported):
    model = exported.model
    frames = frames_for(model)
    mask = np.arange(frames.shape[1]) < LENGTHS[:, None]
    frames[~mask] = np.nan  # what is padded is not looked at
    actual = exported("serve", frames=frames, lengths=LENGTHS)
    name = "context" if exported.has_memory else "reconstruction"
    frames = np.where(mask[..., None], frames, 0)
    expected = model.contexts(frames, mask) if exported.has_memory else model(frames)
    np.testing.assert_allclose(actual[name][mask], np.asarray(expected)[mask], atol=1e-6)
    assert not actual[name][~mask].any()


def test_score_is_the_models(exported):
    model, head = exported.model, exported.model.head
    frames = frames_for(model)
    actual = exported("score", frames=frames, lengths=LENGTHS, seed=SEEDS)
    mask = np.arange(frames.shape[1]) < LENGTHS[:, None]
    assert not actual["log_prob"][~mask].any() and not actual["standard_error"][~mask].any()
    nats, errors = (actual[name][mask] for name in ("log_prob", "standard_error"))
    contexts = model.contexts(frames, mask)
    given = frames[mask], contexts.numpy()[mask] if exported.has_memory else None
    log_prob = head.log_prob
    if head.kind == "estimate":  # annealing takes many steps
        log_prob = tf.function(log_prob, autograph=False)
    expected, error = (np.asarray(x) for x in log_prob(*given, seed=np.array([0, 5], "int32")))
    if head.kind == "exact":
        assert not errors.any()
        np.testing.assert_allclose(nats, expected, rtol=1e-4)
    else:
        assert errors.all()
        one_z = not exported.has_memory  # shared by all frames of the head, not by rows served
        error = error.mean() if one_z else np.sqrt(np.square(error).sum()) / len(nats)
        total = np.hypot(error, np.sqrt(np.square(errors).sum()) / len(nats))
        assert abs(nats.mean() - expected.mean()) < 5 * total + 1e-4


@pytest.mark.parametrize("name", ["lstm", "no_memory_estimate"])
def test_score_estimates_from_the_rows_own_seeds(exports, name):
    exported = exports(name)
    frames = frames_for(exported.model)
    frames[1], lengths = frames[0], np.full(4, 7, "int32")
    nats = exported("score", frames=frames, lengths=lengths, seed=SEEDS)["log_prob"]
    assert not np.array_equal(nats[0], nats[1])
    same = exported("score", frames=frames, lengths=lengths, seed=SEEDS[[0, 0, 2, 3]])["log_prob"]
    np.testing.assert_allclose(same[1], same[0], rtol=1e-5)
    np.testing.assert_allclose(same[0], nats[0], rtol=1e-5)


def test_score_goes_through_many_frames_in_blocks(monkeypatch):
    model = randomised(SequenceModel(keras.layers.SimpleRNNCell(3), BernoulliHead(4, seed=0)))
    frames, scores = frames_for(model), []
    endpoints = sequences.SequenceEndpoints(model, 1)
    for most in (sequences._FRAMES_AT_ONCE, 4):
        monkeypatch.setattr(sequences, "_FRAMES_AT_ONCE", most)
        score = endpoints.concrete(endpoints.score, "frames", "lengths", "seed")
        given = {"frames": frames, "lengths": LENGTHS, "seed": SEEDS}
        scores.append(score(**{name: tf.constant(value) for name, value in given.items()}))
    for name, values in scores[0].items():
        np.testing.assert_allclose(scores[1][name], values, rtol=1e-4)


# Rows do not know of each other.


def test_a_row_of_a_padded_batch_is_what_it_is_alone(exported):
    frames = frames_for(exported.model)
    state = exported.start(4)
    calls = {"serve": {}, "score": {"seed": SEEDS}} | ({"prime": state} if state else {})
    for name, more in calls.items():
        whole = exported(name, frames=frames, lengths=LENGTHS, **more)
        for i, length in enumerate(LENGTHS):
            own = {k: v[i : i + 1] for k, v in more.items()}
            steps = max(length, 1)
            alone = exported(
                name, frames=frames[i : i + 1, :steps], lengths=LENGTHS[i : i + 1], **own
            )
            for output, values in alone.items():
                row = whole[output][i, :steps] if name != "prime" else whole[output][i]
                np.testing.assert_allclose(values[0], row, rtol=2e-5, atol=1e-6)


def test_a_row_drawn_in_a_batch_is_what_it_is_alone(exported):
    num_steps = np.array([6, 2, 0, 4], "int32")
    temperature = np.array([1.0, 0.5, 1.0, 2.0], "float32")
    whole = exported.generate(exported.start(4), SEEDS, num_steps, temperature=temperature)
    assert whole["frames"].shape == (4, 6, exported.model.head.visible_units)
    for i, count in enumerate(num_steps):
        alone = exported.generate(
            exported.start(1), SEEDS[i : i + 1], count, temperature=temperature[i]
        )
        assert alone["frames"].shape[1] == count
        if exported.model.head.visibles == "bernoulli":
            np.testing.assert_array_equal(whole["frames"][i, :count], alone["frames"][0])
        np.testing.assert_allclose(whole["frames"][i, :count], alone["frames"][0], atol=1e-4)
        assert not whole["frames"][i, count:].any()
        for name in set(alone) - {"frames"}:
            np.testing.assert_allclose(whole[name][i], alone[name][0], atol=1e-5)


# Streaming and generation.


def test_step_by_step_is_what_serve_gives(streaming):
    frames = frames_for(streaming.model)
    contexts = streaming("serve", frames=frames, lengths=np.full(4, 7, "int32"))["context"]
    state = streaming.start(4)
    for t in range(frames.shape[1]):
        np.testing.assert_allclose(state["context"], contexts[:, t], atol=1e-6)
        state = state_of(streaming("step", frame=frames[:, t], **state))
    primed = streaming("prime", frames=frames, lengths=np.full(4, 7, "int32"), **streaming.start(4))
    for name, values in state_of(primed).items():
        np.testing.assert_allclose(values, state[name], atol=1e-6)


def test_generate_draws_what_the_model_draws(exported):
    model = exported.model
    seeds = row_seeds(seed_pair(5), 3)
    draw = tf.function(model.draw, autograph=False)
    expected = draw(model.initial_state(3), seeds, 5, tf.constant(0.7)).numpy()
    actual = exported.generate(exported.start(3), seeds.numpy(), 5, temperature=0.7)["frames"]
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_seed_draws_the_same_again_and_another_seed_does_not(exported):
    first, again = (exported.generate(exported.start(4), SEEDS, 8)["frames"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    other = exported.generate(exported.start(4), SEEDS + 1, 8)["frames"]
    assert not np.array_equal(first, other)


def test_going_on_from_the_returned_state_is_one_longer_run(exported):
    whole = exported.generate(exported.start(4), SEEDS, 9)
    first = exported.generate(exported.start(4), SEEDS, 4)
    rest = exported.generate(state_of(first), SEEDS, 5, first_step=4)
    pieces = np.concatenate([first["frames"], rest["frames"]], axis=1)
    np.testing.assert_array_equal(pieces, whole["frames"])
    for name in state_of(whole):
        np.testing.assert_array_equal(state_of(rest)[name], state_of(whole)[name])


def test_the_state_after_generate_has_seen_each_rows_own_frames(streaming):
    num_steps = np.array([3, 0, 1, 2], "int32")
    drawn = streaming.generate(streaming.start(4), SEEDS, num_steps)
    frames = drawn["frames"]
    seen = streaming("prime", frames=frames, lengths=num_steps, **streaming.start(4))
    for name, values in seen.items():
        np.testing.assert_allclose(drawn[name], values, atol=1e-6)


def test_calls_change_nothing_on_the_server(exported):
    before = [w.numpy() for w in exported.loaded.weights]
    frames = frames_for(exported.model)
    first = exported("score", frames=frames, lengths=LENGTHS, seed=SEEDS)["log_prob"]
    exported.generate(exported.start(4), SEEDS, 3)
    again = exported("score", frames=frames, lengths=LENGTHS, seed=SEEDS)["log_prob"]
    np.testing.assert_array_equal(first, again)
    for weight, value in zip(exported.loaded.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


# Wrong and unusual input.


def test_no_rows_give_no_rows(exported):
    V = exported.model.head.visible_units
    frames, lengths = np.zeros((0, 3, V), "float32"), np.zeros(0, "int32")
    seed = np.zeros((0, 2), "int32")
    (served,) = exported("serve", frames=frames, lengths=lengths).values()
    assert served.shape[:2] == (0, 3)
    score = exported("score", frames=frames, lengths=lengths, seed=seed)
    assert score["log_prob"].shape == score["standard_error"].shape == (0, 3)
    assert exported.generate(exported.start(0), seed, 3)["frames"].shape == (0, 0, V)
    if exported.has_memory:
        state = exported("step", frame=np.zeros((0, V), "float32"), **exported.start(0))
        assert {len(x) for x in state.values()} == {0}


def test_no_steps_give_no_steps(exported):
    V = exported.model.head.visible_units
    frames, lengths = np.zeros((4, 0, V), "float32"), np.zeros(4, "int32")
    (served,) = exported("serve", frames=frames, lengths=lengths).values()
    assert served.shape[:2] == (4, 0)
    score = exported("score", frames=frames, lengths=lengths, seed=SEEDS)
    assert score["log_prob"].shape == score["standard_error"].shape == (4, 0)
    if exported.model.head.has_code:
        assert exported("encode", frames=frames, lengths=lengths)["code"].shape[:2] == (4, 0)
    if exported.has_memory:
        state = exported.start(4)
        after = state_of(exported("prime", frames=frames, lengths=lengths, **state))
        for name, values in after.items():
            np.testing.assert_array_equal(values, state[name])


def refused(match):
    return pytest.raises(tf.errors.InvalidArgumentError, match=match)


@pytest.mark.parametrize("name", ["simple_rnn", "no_memory"])
def test_wrong_frames_and_lengths_are_refused(exports, name):
    exported = exports(name)
    frames, lengths = np.zeros((2, 3, 8), "float32"), np.array([3, 3], "int32")
    for endpoint, more in (("serve", {}), ("score", {"seed": SEEDS[:2]})):
        with refused(r"frames.* \[2,3,7\] is not compatible with expected shape \[\?,\?,8\]"):
            exported(endpoint, frames=frames[:, :, :7], lengths=lengths, **more)
        with refused(r"lengths.* \[2,1\] is not compatible with expected shape \[\?\]"):
            exported(endpoint, frames=frames, lengths=lengths[:, None], **more)
        for wrong in (4, -1):
            with refused("`lengths` must lie in 0 .. steps of `frames`"):
                exported(endpoint, frames=frames, lengths=np.array([3, wrong], "int32"), **more)
        with refused("`lengths` must have as many rows as `frames`"):
            exported(endpoint, frames=frames, lengths=lengths[:1], **more)
        for wrong in (-0.1, 1.1, np.nan, np.inf):
            with refused("`frames` must lie in \\[0, 1\\]"):
                exported(endpoint, frames=frames + np.float32(wrong), lengths=lengths, **more)


def test_real_frames_must_be_finite(exports):
    frames = np.full((1, 2, 8), np.nan, "float32")
    with refused("`frames` must be finite"):
        exports("stacked")("serve", frames=frames, lengths=np.array([2], "int32"))
    exports("stacked")("serve", frames=frames + np.nan, lengths=np.array([0], "int32"))


def test_wrong_orders_to_generate_are_refused(exports):
    exported = exports("simple_rnn")
    state = exported.start(2)
    for wrong in (-1, saved_model.MAX_STEPS + 1):
        with refused(f"`num_steps` must lie in 0 .. {saved_model.MAX_STEPS}"):
            exported.generate(state, SEEDS[:2], wrong)
    for wrong in (0, -1, np.nan, np.inf):
        with refused("`temperature` must be above 0"):
            exported.generate(state, SEEDS[:2], 2, temperature=wrong)
    with refused("`first_step` must be at least 0"):
        exported.generate(state, SEEDS[:2], 2, first_step=-1)
    with refused(r"seed.* \[2,3\] is not compatible with expected shape \[\?,2\]"):
        exported.generate(state, SEEDS[:2, [0, 1, 1]], 2)
    with refused("must have as many rows"):
        exported.generate(exported.start(3), SEEDS[:2], 2)
    with refused("`frame` must lie in"):
        exported("step", frame=np.full((2, 8), 2, "float32"), **state)


def test_wrong_states_are_refused(streaming):
    V = streaming.model.head.visible_units
    frames, lengths = np.zeros((2, 1, V), "float32"), np.ones(2, "int32")
    start = streaming.start(2)
    calls = {
        "step": lambda state: streaming("step", frame=frames[:, 0], **state),
        "prime": lambda state: streaming("prime", frames=frames, lengths=lengths, **state),
        "generate": lambda state: streaming.generate(state, SEEDS[:2], 1),
    }
    for call in calls.values():
        for name, values in start.items():
            for wrong in (np.nan, np.inf):
                damaged = values.copy()
                damaged[1, -1] = wrong
                with refused(f"`{name}` must be finite"):
                    call(start | {name: damaged})
            with refused(f"{name}.* is not compatible with expected shape"):
                call(start | {name: values[:, :-1]})
    with refused(r"rows.* \[2,1\] is not compatible with expected shape \[\?\]"):
        streaming("initial_state", rows=np.zeros((2, 1), "int32"))


def test_a_wrong_code_is_refused(exports):
    exported = exports("lstbm")
    for wrong in (np.nan, 1.5):
        with refused(r"`code` must lie in \[0, 1\]"):
            exported("decode", code=np.full((2, 3, 12), wrong, "float32"))
    with refused(r"code.* \[2,3,5\] is not compatible with expected shape \[\?,\?,12\]"):
        exported("decode", code=np.zeros((2, 3, 5), "float32"))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_endpoints_speak_float32_under_every_policy(tmp_path, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = randomised(SequenceModel(keras.layers.LSTMCell(4), BernoulliHead(5, seed=0)))
        exported = Exported(model, model.export(tmp_path / "1"))
    finally:
        keras.config.set_dtype_policy(before)
    for signature in exported.loaded.signatures.values():
        specs = signature.structured_input_signature[1] | signature.structured_outputs
        assert {spec.dtype for spec in specs.values()} <= {tf.float32, tf.int32}
    frames, lengths = frames_for(model), np.full(4, 7, "int32")
    contexts = exported("serve", frames=frames, lengths=lengths)["context"]
    state = exported.start(4)
    for t in range(3):
        state = state_of(exported("step", frame=frames[:, t], **state))
    tolerance = 2e-2 if policy == "mixed_bfloat16" else 1e-6
    np.testing.assert_allclose(state["context"], contexts[:, 3], atol=tolerance)
    nats = exported("score", frames=frames, lengths=lengths, seed=SEEDS)["log_prob"].mean()
    expected = model.head.log_prob(frames, model.contexts(frames)).nats
    np.testing.assert_allclose(nats, np.mean(expected), rtol=1e-3)
    assert exported.generate(exported.start(4), SEEDS, 3)["frames"].dtype == "float32"


# The folder.


def test_what_is_there_is_not_overwritten(exports, tmp_path):
    model = exports("no_memory").model
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="must not exist yet"):
        model.export(tmp_path / "1")
    assert [file.name for file in (tmp_path / "1").iterdir()] == ["notes.txt"]


def test_a_failure_in_the_middle_leaves_nothing(exports, monkeypatch, tmp_path):
    def save(module, folder, **kwargs):
        with open(f"{folder}/saved_model.pb", "w") as file:
            file.write("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(OSError, match="no space"):
        exports("no_memory").model.export(tmp_path / "name" / "1")
    assert not list((tmp_path / "name").iterdir())


def test_a_model_that_is_none_or_is_not_finite_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`model` must be a .*SequenceModel.*model=3"):
        exporting.export(3, tmp_path / "1")
    model = SequenceModel(None, BernoulliHead(4, seed=0))
    model.head.visible_bias.assign([0.0, np.nan, np.inf, 0.0])
    with pytest.raises(ValueError, match="weights must be finite.*2 of 4 in .*visible_bias"):
        model.export(tmp_path / "1")
    assert not list(tmp_path.iterdir())


def test_next_version_is_one_above_the_highest(tmp_path):
    assert exporting.next_version(tmp_path / "name") == tmp_path / "name" / "1"
    for name in ("2", "10", "notes", ".tmp-3"):
        (tmp_path / "name" / name).mkdir(parents=True)
    assert exporting.next_version(str(tmp_path / "name")) == tmp_path / "name" / "11"


def test_other_formats_and_limits_are_refused(exports, tmp_path):
    model = exports("no_memory").model
    with pytest.raises(ValueError, match="Received: format='onnx'"):
        model.export(tmp_path / "1", format="onnx")
    for wrong in (0, 2.5, True):
        with pytest.raises(ValueError, match="`max_steps` must be an integer of at least 1"):
            model.export(tmp_path / "1", max_steps=wrong)
    assert not list(tmp_path.iterdir())
