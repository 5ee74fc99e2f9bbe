"""`generate` as a user calls it: checks, buckets of compiled shapes, NumPy in and out."""

import keras
import numpy as np

from keras_perceiver_ar.checks import check_input_names
from keras_perceiver_ar.generation.arguments import (
    read_forced,
    read_integer,
    read_masks,
    read_positions,
    read_prompts,
    read_stop_ids,
    row_seeds,
)
from keras_perceiver_ar.generation.beam_loop import search
from keras_perceiver_ar.generation.beam_search import BeamSearch
from keras_perceiver_ar.generation.cached_steps import prefill_size, refill_size
from keras_perceiver_ar.generation.decode_loop import decode, read_use_cache
from keras_perceiver_ar.generation.sampler import Sampler
from keras_perceiver_ar.generation.window import slide_size

# Rows are given room in multiples of this, so that prompts of many lengths share one program, and
# so that the keys that are kept fill the tiles of a kernel.
ROOM_STEP = 128
# Of all rows of a call: what int32 can count.
MOST_PLACES = 2**31 - 1


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
        run = search if "beams" in self.options else decode
        return run(self.model, **inputs, **self.options)


class GenerateProgram:
    """Compiled decode loops of one model, by their static options.

    Args:
        model: `PerceiverARCausalLM`.
    """

    def __init__(self, model):
        self.model = model
        self._programs = {}
        self._variables = ()

    @classmethod
    def deferred(cls, model):
        """A holder that makes the program at its first use.

        A Keras model tracks every layer it finds in its attributes, and would find itself here.
        """
        return _Deferred(lambda: cls(model))

    def __call__(
        self,
        inputs,
        max_new_tokens,
        sampler,
        seed,
        num_latents,
        caching,
        stop_ids,
        masks,
        on_step,
        forced,
    ):
        """See `PerceiverARCausalLM.generate`."""
        backbone = self.model.backbone
        max_context = backbone.max_context
        inputs = inputs if isinstance(inputs, dict) else {"token_ids": inputs}
        # What makes no sense is refused before anything compiles.
        caching = caching | {"use_cache": read_use_cache(caching["use_cache"], backbone)}
        check_input_names(inputs)
        prompts, lengths = read_prompts(inputs, backbone.vocab_size)
        batch, width = prompts.shape
        max_new_tokens = read_integer("max_new_tokens", max_new_tokens)
        starts = np.maximum(lengths, 1)  # a row of nothing begins with SOS
        longest = int(starts.max()) + max_new_tokens
        if longest > max_context + 1 and caching["slide"] is None:
            raise ValueError(
                f"The longest prompt has {lengths.max()} tokens and max_new_tokens="
                f"{max_new_tokens}: together they exceed {max_context + 1}, which is "
                f"max_context={max_context} and a last token that nothing reads. Shorten one, or "
                'let the oldest tokens leave with slide="half".'
            )
        sampler = Sampler.get(sampler)
        if num_latents is None:
            num_latents = backbone.num_latents
        num_latents = read_integer("num_latents", num_latents)
        num_positions = backbone.num_positions(num_latents)
        slide_size(caching["slide"], max_context, refill_size(caching["refill"], num_positions))
        prefill_size(caching["prefill"], num_positions)
        stop_ids = read_stop_ids(stop_ids, backbone.vocab_size)
        room = _room(longest, max_context)
        if batch * room > MOST_PLACES:
            raise ValueError(
                f"`max_new_tokens` gives {batch} rows of {room} places, more than {MOST_PLACES} "
                f"together. Received: max_new_tokens={max_new_tokens}"
            )
        token_ids = np.zeros((batch, room), "int32")
        token_ids[:, : min(width, room)] = prompts[:, :room]
        token_ids[np.arange(room) >= lengths[:, None]] = 0
        data = {
            "token_ids": token_ids,
            "lengths": lengths,
            "max_new_tokens": np.full(batch, max_new_tokens, "int32"),
        }
        if inputs.get("positions") is not None:
            dimensions = backbone.num_index_dimensions
            given = (inputs["positions"], batch, dimensions)
            data["positions"] = read_positions(*given, longest - 1, room)
        if forced is not None:
            data["forced"] = read_forced(forced, batch, room, backbone.vocab_size)
        options = {
            "num_latents": num_latents,
            **caching,
            "stop_ids": stop_ids,
            "masks": read_masks(masks),
            "on_step": on_step,
        }
        if isinstance(sampler, BeamSearch):
            _refuse_with_beams(slide=options.pop("slide"), forced=forced)
            options["beams"] = sampler
        else:
            data |= {"sampling": sampler.settings(batch), "seeds": row_seeds(seed, batch)}
            options["cut_before_temperature"] = sampler.cut_before_temperature
        result = self._program(options, token_ids.shape).predict_on_batch(data)
        return _trim(result, starts, max(width, 1) + max_new_tokens, max_new_tokens)

    def _program(self, options, shape):
        # A compiled program keeps the variables it was made with; `quantize` and `enable_lora`
        # make others.
        variables = tuple((variable.path, variable.dtype) for variable in self.model.variables)
        if variables != self._variables:
            self._programs, self._variables = {}, variables
        # One for each shape: TensorFlow would make one for all of the second, and of a size that is
        # not known it can choose no route and no parts that fit the memory.
        key = (shape, *sorted(options.items(), key=lambda item: item[0]))
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


def _refuse_with_beams(**given):
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"`{name}` cannot be had with a BeamSearch. Received: {value!r}")


def _room(longest, max_context):
    """Places for rows of the longest: few different ones, so that few programs are made."""
    if longest <= max_context:
        room = -(-longest // ROOM_STEP) * ROOM_STEP
        return room if room < max_context else max_context + 1
    # Whole contexts behind the first: only rows that slide are as long.
    return -(-(longest - 1) // max_context) * max_context + 1


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
