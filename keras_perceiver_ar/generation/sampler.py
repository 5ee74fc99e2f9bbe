"""How the next token is drawn from the logits, as a user says it."""

import dataclasses

import numpy as np

from keras_perceiver_ar.generation.beam_search import BeamSearch

# What changes nothing: a setting at this number is no part of the compiled program.
OFF = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "repetition_penalty": 1.0}
RANGES = {
    "temperature": (0, float(np.finfo("float32").max)),
    "top_k": (0, 2**31 - 1),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "repetition_penalty": (1e-3, 1e3),
}


@dataclasses.dataclass(frozen=True)
class Sampler:
    """Temperature and cuts of the distribution. Every number may be one for each row.

    The order is that of Hugging Face's `transformers`, so that settings can be carried over:
    repetition penalty, temperature, then the cuts top-k, top-p, min-p and typical, each made of
    what the ones before it left.

    KerasHub's samplers are not used. They draw from a generator with a state, so equal requests
    would differ and rows would depend on their neighbours; they take one place for all rows of a
    batch, so prompts would have to be padded to one length; and their numbers are part of the
    program, so that each new temperature compiles anew.

    Args:
        temperature: float ≥ 0. Divides the logits; 0 is greedy.
        top_p: float in [0, 1]. The smallest set of likeliest tokens that holds this probability is
            drawn from; 1 is all tokens, 0 is greedy.
        cut_before_temperature: bool. Measures the cuts before the temperature acts, as the
            original does; most libraries measure them after.
        top_k: int ≥ 0. The likeliest tokens, and all as likely as the last of them; 0 is all.
        min_p: float in [0, 1]. Tokens at least this share as likely as the likeliest; 0 is all.
        typical_p: float in [0, 1]. Of the tokens whose surprise is nearest to the expected one,
            those that hold this probability; 1 is all tokens, 0 is greedy.
        repetition_penalty: float in [0.001, 1000]. Tokens that the row holds already, its prompt
            included, have their logits divided by this if positive, else multiplied; 1 is none.

    Raises:
        ValueError: a number out of range.

    Reference:
        Holtzman et al., arXiv 1904.09751 (top-p); Nguyen et al., arXiv 2407.01082 (min-p); Meister
        et al., arXiv 2202.00666 (typical); Keskar et al., arXiv 1909.05858 (repetition penalty).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    cut_before_temperature: bool = False
    top_k: int = 0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self):
        for name, (lowest, highest) in RANGES.items():
            values = getattr(self, name)
            array = np.asarray(values)
            is_real = np.issubdtype(array.dtype, np.integer)
            is_real = is_real or (name != "top_k" and np.issubdtype(array.dtype, np.floating))
            wrong = [values]
            if is_real and array.ndim < 2:
                wrong = array[~((array >= lowest) & (array <= highest))].tolist()
            if wrong:
                kind = "be an integer" if name == "top_k" else "lie"
                raise ValueError(
                    f"`{name}` must {kind} in [{lowest:g}, {highest:g}], one for all rows or one "
                    f"for each. Received: {name}={wrong[0]}"
                )

    @classmethod
    def get(cls, sampler):
        """A sampler or `BeamSearch` by name, or itself.

        Raises:
            ValueError: no such name.
        """
        named = {
            "greedy": cls(temperature=0.0),
            "temperature": cls(),
            "top_k": cls(top_k=50),
            "top_p": cls(top_p=0.95),
            "min_p": cls(min_p=0.05),
            "typical": cls(typical_p=0.95),
            "beam": BeamSearch(),
        }
        if isinstance(sampler, (cls, BeamSearch)):
            return sampler
        if not isinstance(sampler, str) or sampler not in named:
            raise ValueError(
                f"`sampler` must be one of {sorted(named)}, a Sampler or a BeamSearch. "
                f"Received: {sampler!r}"
            )
        return named[sampler]

    def settings(self, batch):
        """What acts, for each row: dict of name to float32 (B,), `top_k` int32 (B,).

        Raises:
            ValueError: another number of them than rows.
        """
        found = {}
        for name in RANGES:
            values = np.asarray(getattr(self, name), "int32" if name == "top_k" else "float32")
            if values.shape not in ((), (batch,)):
                raise ValueError(
                    f"`{name}` must be a number, or one for each of the {batch} rows. "
                    f"Received: shape {values.shape}"
                )
            if name not in OFF or (values != OFF[name]).any():
                found[name] = np.broadcast_to(values, (batch,)).copy()
        return found
