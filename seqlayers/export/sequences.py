"""Endpoints of a `SequenceModel`."""

import keras
import tensorflow as tf

from seqlayers.export.endpoints import Endpoints, keep_where, mask_of, of_any_length
from seqlayers.sampling import Use, fold_in

_FRAMES_AT_ONCE = 1024  # in scoring: a bound on memory


class SequenceEndpoints(Endpoints):
    """Functions behind the signatures of a `SequenceModel`.

    Args:
        model: The model.
        max_steps: Largest number of frames in one call of `generate`.
    """

    def __init__(self, model, max_steps):
        super().__init__(model.head.variable_dtype)
        self.model = model
        self.max_steps = max_steps
        V = model.head.visible_units
        self.specs = {
            "frames": tf.TensorSpec((None, None, V), tf.float32),
            "frame": tf.TensorSpec((None, V), tf.float32),
            "lengths": tf.TensorSpec((None,), tf.int32),
            "rows": tf.TensorSpec((None,), tf.int32),
            "seed": tf.TensorSpec((None, 2), tf.int32),
            "first_step": tf.TensorSpec((None,), tf.int32),
            "num_steps": tf.TensorSpec((None,), tf.int32),
            "temperature": tf.TensorSpec((None,), tf.float32),
        }
        if model.head.has_code:
            shape = (None, None, model.head.code_units)
            self.specs["code"] = tf.TensorSpec(shape, tf.float32)
        self.state_names = []
        if model.memory is not None:
            self.template = model.initial_state(2)
            parts = keras.tree.flatten(self.template)
            self.state_names = ["context", *(f"state_{i}" for i in range(len(parts) - 1))]
            self.add_states(parts, self.state_names)

    def signatures(self):
        drawn = ("seed", "first_step", "num_steps", "temperature")
        functions = {
            "serve": self.concrete(self.serve, "frames", "lengths"),
            "score": self.concrete(self.score, "frames", "lengths", "seed"),
            "generate": self.concrete(self.generate, *drawn, *self.state_names),
        }
        head = self.model.head
        if head.has_code:
            functions["encode"] = self.concrete(self.encode, "frames", "lengths")
            if head.decodes_alone:
                functions["decode"] = self.concrete(self.decode, "code")
        if self.state_names:
            functions |= {
                "initial_state": self.concrete(self.initial_state, "rows"),
                "step": self.concrete(self.step, "frame", *self.state_names),
                "prime": self.concrete(self.prime, "frames", "lengths", *self.state_names),
            }
        return functions

    @of_any_length
    def serve(self, frames, lengths):
        mask = mask_of(frames, lengths)
        if self.model.memory is None:
            return {"reconstruction": keep_where(mask, self.model.head.reconstruct(frames))}
        return {"context": keep_where(mask, self.model.contexts(frames, mask))}

    @of_any_length
    def score(self, frames, lengths, seed):
        mask = mask_of(frames, lengths)
        if self.model.memory is None:
            nats, error = self._log_prob_without_memory(frames, fold_in(seed, Use.SCORE))
            return {"log_prob": keep_where(mask, nats), "standard_error": keep_where(mask, error)}
        needed = [frames, self.model.contexts(frames, mask)]
        if self.model.head.kind != "exact":  # else a graph without draws, which others can run
            steps = tf.range(tf.shape(frames)[1])
            needed.append(fold_in(fold_in(seed, Use.SCORE)[:, None], steps))
        nats, error = self._log_prob(*(tf.boolean_mask(x, mask) for x in needed))
        where, shape = tf.where(mask), tf.shape(mask, tf.int64)
        return {
            "log_prob": tf.scatter_nd(where, nats, shape),
            "standard_error": tf.scatter_nd(where, error, shape),
        }

    def initial_state(self, rows):
        state = self.model.initial_state(tf.shape(rows)[0])
        return dict(zip(self.state_names, keras.tree.flatten(state), strict=True))

    def step(self, frame, **state):
        return self._next(self.model.step(frame, self._state(state)))

    def prime(self, frames, lengths, **state):
        def body(t, state):
            return t + 1, self._advance(state, frames[:, t], t < lengths)

        steps = tf.reduce_max(lengths)
        _, state = tf.while_loop(lambda t, _: t < steps, body, (0, self._state(state)))
        return self._next(state)

    def generate(self, seed, first_step, num_steps, temperature, **state):
        head = self.model.head
        steps = tf.maximum(tf.reduce_max(num_steps), 0)
        frames = tf.TensorArray(
            head.variable_dtype,
            size=tf.maximum(steps, 1),  # an array without any entry has no shape
            element_shape=(None, head.visible_units),
        )

        def body(t, state, frames):
            context = state.context if self.state_names else None
            step_seed = fold_in(fold_in(seed, Use.GENERATE), first_step + t)
            frame = head.sample(context, step_seed, temperature, num_frames=tf.shape(seed)[0])
            keep = t < num_steps
            frame = keep_where(keep, frame)
            return t + 1, self._advance(state, frame, keep), frames.write(t, frame)

        start = (0, self._state(state), frames)
        _, state, frames = tf.while_loop(lambda t, *_: t < tf.maximum(steps, 1), body, start)
        frames = tf.transpose(frames.stack(), (1, 0, 2))[:, :steps]
        return {"frames": frames} | self._next(state)

    @of_any_length
    def encode(self, frames, lengths):
        mask = mask_of(frames, lengths)
        return {"code": keep_where(mask, self.model.encode(frames, mask))}

    def decode(self, code):
        return {"frames": self.model.decode(code)}

    def _log_prob(self, *of_frames):
        """Returns log p of all frames in one long row, a bounded number at a time."""

        def block(start):
            part = slice(start, start + _FRAMES_AT_ONCE)
            return self.model.head.log_prob(*(x[part] for x in of_frames))

        return _joined(block, tf.shape(of_frames[0])[0], _FRAMES_AT_ONCE, of_frames[0][:, 0])

    def _log_prob_without_memory(self, frames, seed):
        head = self.model.head
        if head.kind == "exact":
            return head.log_prob(frames)

        # All frames share one Z. Each row estimates it anew, so that rows do not depend on others.
        def row(i):
            nats, error = head.log_prob(frames[i], None, seed[i])
            return nats[None], error[None]

        return _joined(row, tf.shape(frames)[0], 1, frames[:, :, 0])

    def _advance(self, state, frame, keep):
        """Returns the state after one more frame in the rows to `keep`; others stay."""
        if not self.state_names:
            return state
        return keras.tree.map_structure(
            lambda new, old: keep_where(keep, new, old), self.model.step(frame, state), state
        )

    def _state(self, tensors):
        if not self.state_names:
            return ()
        parts = keras.tree.flatten(self.template)
        parts = [
            tf.cast(tensors[name], part.dtype)
            for name, part in zip(self.state_names, parts, strict=True)
        ]
        return keras.tree.pack_sequence_as(self.template, parts)

    def _next(self, state):
        parts = keras.tree.flatten(state)
        return {f"next_{name}": x for name, x in zip(self.state_names, parts, strict=True)}

    def test_of(self, name, x):
        if name in ("frame", "frames"):
            kind = self.model.head.visible_kind
            return kind.takes(x), kind.WANTED
        if name == "code":
            return (x >= 0) & (x <= 1), "must lie in [0, 1]"
        if name == "first_step":
            return x >= 0, "must be at least 0"
        if name == "num_steps":
            return (x >= 0) & (x <= self.max_steps), f"must lie in 0 .. {self.max_steps}"
        if name == "temperature":
            return (x > 0) & tf.math.is_finite(x), "must be above 0 and finite"
        return super().test_of(name, x)


def _joined(function, stop, step, like):
    """Joins both results of `function(0)`, `function(step)`, ... below `stop`, one at a time."""

    def body(i, *results):
        new = function(i)
        return i + step, *(tf.concat(pair, axis=0) for pair in zip(results, new, strict=True))

    shape = tf.TensorShape([None] * like.shape.rank)
    _, *results = tf.while_loop(
        lambda i, *_: i < stop,
        body,
        (0, like[:0], like[:0]),
        shape_invariants=(tf.TensorShape(()), shape, shape),
        parallel_iterations=1,  # to bound memory
    )
    return results
