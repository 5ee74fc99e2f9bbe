"""Settings of everything that is left out in training."""

import dataclasses

import keras

from keras_perceiver_ar.checks import check_flags, check_rates, check_sizes
from keras_perceiver_ar.options import Options


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
@dataclasses.dataclass(frozen=True)
class DropoutRates(Options):
    """What a `PerceiverARBackbone` leaves out in training, each drawn for each row.

    Args:
        outputs: float in [0, 1). Of every attention and MLP (`dropout_prob`).
        attention: float in [0, 1). Of the attention probabilities. (The original has it, but never
            sets its rate.)
        latents: float in [0, 1). Latents that no other latent may read (`latent_dropout_prob`).
        inputs: float in [0, 1). Inputs that no cross-attend may read (`encoder_dropout_prob`). The
            first of a row always stays, so that no latent reads nothing.
        keep_inputs: int or None. Exactly so many inputs of each row are read, and the others are
            not even projected (`train_input_positions`); None is all.
        prefix_only: bool. Spares the inputs on which latents sit from `inputs` and `keep_inputs`,
            as the paper describes the dropout of its cross-attend.

    Raises:
        ValueError: a rate outside [0, 1), or `inputs` and `keep_inputs` together.
    """

    outputs: float = 0.0
    attention: float = 0.0
    latents: float = 0.0
    inputs: float = 0.0
    keep_inputs: int | None = None
    prefix_only: bool = False

    def __post_init__(self):
        rates = {
            name: getattr(self, name) for name in ("outputs", "attention", "latents", "inputs")
        }
        check_rates(**{f"dropout {name}": rate for name, rate in rates.items()})
        check_flags(prefix_only=self.prefix_only)
        if self.keep_inputs is not None:
            check_sizes(keep_inputs=self.keep_inputs)
            if self.inputs:
                raise ValueError(
                    "Give `inputs` or `keep_inputs`, not both. Received: "
                    f"inputs={self.inputs}, keep_inputs={self.keep_inputs}"
                )

    @classmethod
    def get(cls, dropout):
        """The rates themselves, or those of a single number, which is `outputs`."""
        return dropout if isinstance(dropout, cls) else cls(outputs=dropout)

    @property
    def any(self):
        """Whether anything is left out."""
        rates = (self.outputs, self.attention, self.latents, self.inputs)
        return any(rates) or self.keep_inputs is not None
