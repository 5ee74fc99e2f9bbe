"""`generate` as a user calls it: checks, buckets of compiled shapes, NumPy in and out."""

import keras
import numpy as np

from keras_perceiver_ar.generation.decode_loop import decode, refill_size
from keras_perceiver_ar.generation.sampler import Sampler

# Rows are given room in multiples of this, so that prompts of many lengths share one program.
ROOM_STEP = 64


class DecodeProgram(keras.Model):
    """`decode` as a Keras model: `predict_on_batch` compiles it, on every backend."""

    def __init__(self, model, options):
        super().__init__()
        self.model = model
        self.options = options
        self.built = True
        # XLA pays off on JAX, where it is the only way; TensorFlow's own graph starts 10 × sooner.
        self.compile(jit_compile=keras.backend.backend() == "jax")

    def call(self, inputs):
        return decode(self.model, **inputs, **self.options)


class GenerateProgram:
    """Compiled decode loops of one model, by their static options.

    Args:
        model: `PerceiverARCausalLM`.
    """

    def __init__(self, model):
        self.model = model
        self._programs = {}

    @classmethod
    def deferred(cls, model):
        """A holder that makes the program at its first use.

        A Keras model tracks every layer it finds in its attributes, and would find itself here.
        """
        return _Deferred(lambda: cls(model))

    def __call__(self, inputs, max_new_tokens, sampler, seed, num_latents, refill, stop_ids):
        """See `PerceiverARCausalLM.generate`."""
        max_context = self.model.backbone.max_context
        inputs = inputs if isinstance(inputs, dict) else {"token_ids": inputs}
        prompts, lengths = _read_prompts(inputs)
        batch, width = prompts.shape
        if not isinstance(max_new_tokens, (int, np.integer)) or max_new_tokens < 1:
            raise ValueError(
                f"`max_new_tokens` must be an integer ≥ 1. Received: {max_new_tokens!r}"
            )
        if lengths.max(initial=0) + max_new_tokens > max_context:
            raise ValueError(
                f"The longest prompt has {lengths.max()} tokens and max_new_tokens="
                f"{max_new_tokens}: together they exceed max_context={max_context}. Shorten one."
            )
        sampler = Sampler.get(sampler)
        num_latents = num_latents or self.model.backbone.num_latents
        refill_size(refill, num_latents)  # refuses what makes no sense, before anything compiles
        longest = int(lengths.max(initial=0)) + max_new_tokens
        room = min(-(-longest // ROOM_STEP) * ROOM_STEP, max_context)
        token_ids = np.zeros((batch, room), "int32")
        token_ids[:, : min(width, room)] = prompts[:, :room]
        token_ids[np.arange(room) >= lengths[:, None]] = 0
        data = {
            "token_ids": token_ids,
            "lengths": lengths,
            "max_new_tokens": np.full(batch, max_new_tokens, "int32"),
            "temperature": _per_row("temperature", sampler.temperature, batch, "float32"),
            "top_p": _per_row("top_p", sampler.top_p, batch, "float32"),
            "seeds": row_seeds(seed, batch),
        }
        if inputs.get("positions") is not None:
            data["positions"] = _positions(inputs["positions"], longest, room)
        options = {
            "num_latents": num_latents,
            "refill": refill,
            "stop_ids": tuple(stop_ids),
            "cut_before_temperature": sampler.cut_before_temperature,
        }
        result = self._program(options).predict_on_batch(data)
        return _trim(result, lengths, width + max_new_tokens, max_new_tokens)

    def _program(self, options):
        key = tuple(sorted(options.items()))
        if key not in self._programs:
            self._programs[key] = DecodeProgram(self.model, options)
        return self._programs[key]


class _Deferred:
    def __init__(self, make):
        self._make, self._made = make, None

    def get(self):
        if self._made is None:
            self._made = self._make()
        return self._made

    def __deepcopy__(self, memo):
        raise TypeError("Copy a model with keras.models.clone_model, or through its config.")


def row_seeds(seed, batch):
    """One seed a row: int32 (B,), from a number (s, s + 1, …) or one number a row."""
    seeds = np.asarray(seed)
    if seeds.ndim == 0:
        seeds = seeds + np.arange(batch)
    if seeds.shape != (batch,) or not np.issubdtype(seeds.dtype, np.integer):
        raise ValueError(
            f"`seed` must be an integer, or one for each of the {batch} rows. Received: {seed!r}"
        )
    return (seeds.astype("int64") & 0xFFFFFFFF).astype("uint32").view("int32")


def _read_prompts(inputs):
    prompts = np.asarray(inputs["token_ids"])
    if prompts.ndim != 2 or not np.issubdtype(prompts.dtype, np.integer):
        raise ValueError(
            "`token_ids` must be integers of shape (B, M). Received: "
            f"shape {prompts.shape}, dtype {prompts.dtype}"
        )
    width = prompts.shape[1]
    if inputs.get("lengths") is None:
        padding = prompts == 0
        lengths = np.where(padding.any(1), padding.argmax(1), width)
    else:
        lengths = np.asarray(inputs["lengths"])
    if lengths.shape != prompts.shape[:1] or (lengths > width).any():
        raise ValueError(
            f"`lengths` must hold one number ≤ {width} for each row. Received: {lengths}"
        )
    empty = np.flatnonzero(lengths < 1)
    if len(empty):
        raise ValueError(
            f"The prompt of row {empty[0]} is empty: start it with SOS (id 2) at least."
        )
    return prompts.astype("int32"), lengths.astype("int32")


def _per_row(name, value, batch, dtype):
    values = np.asarray(value, dtype)
    if values.shape not in ((), (batch,)):
        raise ValueError(
            f"`{name}` must be a number, or one for each of the {batch} rows. "
            f"Received: shape {values.shape}"
        )
    return np.broadcast_to(values, (batch,)).copy()


def _positions(positions, longest, room):
    positions = np.asarray(positions, "int32")
    if positions.shape[1] < longest:
        raise ValueError(
            f"`positions` must cover the prompt and what is generated, {longest} events. "
            f"Received: shape {positions.shape}"
        )
    padding = [(0, 0), (0, max(room - positions.shape[1], 0))] + [(0, 0)] * (positions.ndim - 2)
    return np.pad(positions, padding)[:, :room]


def _trim(result, prompt_lengths, width, max_new_tokens):
    """From the room of the program to the shapes that were promised."""
    token_ids, log_probs = result["token_ids"], result["log_probs"]
    batch, room = token_ids.shape
    padded = np.zeros((batch, width), "int32")
    padded[:, : min(room, width)] = token_ids[:, :width]
    places = prompt_lengths[:, None] + np.arange(max_new_tokens)
    return {
        "token_ids": padded,
        "lengths": result["lengths"],
        "log_probs": np.take_along_axis(log_probs, places, axis=1),
    }
