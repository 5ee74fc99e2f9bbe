"""What the learning rates that end have in common."""

from keras_perceiver_ar.checks import check_flags, check_steps
from keras_perceiver_ar.training.schedules.warmup import WarmupSchedule


class DecaySchedule(WarmupSchedule):
    """A warm-up, and then a decay over the training.

    Args:
        learning_rate: see `WarmupSchedule`.
        training_steps: int. Steps of the whole training.
        warmup_steps: see `WarmupSchedule`.
        initial_learning_rate: see `WarmupSchedule`.
        parity: bool. False ends the decay with training. True does as the original did: the decay
            takes `training_steps` after the warm-up, so that training stops short of its end.
    """

    def __init__(
        self,
        learning_rate,
        training_steps,
        warmup_steps=0,
        initial_learning_rate=0.0,
        parity=False,
    ):
        super().__init__(learning_rate, warmup_steps, initial_learning_rate)
        check_steps(training_steps=training_steps, least=1)
        check_flags(parity=parity)
        if not parity and warmup_steps >= training_steps:
            raise ValueError(
                "`warmup_steps` must be less than `training_steps`, which counts them. "
                f"Received: warmup_steps={warmup_steps}, training_steps={training_steps}"
            )
        self.training_steps = int(training_steps)
        self.parity = parity

    def get_config(self):
        return {
            **super().get_config(),
            "training_steps": self.training_steps,
            "parity": self.parity,
        }
