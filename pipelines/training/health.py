"""What is wrong with a run, while it can still be put right."""

import math
import sys

from pipelines.errors import RunError


class Health:
    """Looks at the steps of each loop. An `orbit.Action`.

    Args:
        trainer: `Trainer`, whose `steps` are looked at.
        run_config: `RunConfig`: `max_skipped_steps` and `divergence`.
    """

    def __init__(self, trainer, run_config):
        self._trainer = trainer
        self._config = run_config
        self._skipped = 0
        self._lowest = math.inf
        self._alarmed = False

    def __call__(self, output):
        """Raises `RunError` after too many steps in a row without finite gradients."""
        steps = self._trainer.steps
        for step, skipped in zip(steps["step"], steps["skipped"], strict=True):
            self._skipped = self._skipped + 1 if skipped else 0
            if self._skipped >= self._config.max_skipped_steps:
                raise RunError(
                    f"the gradients of {self._skipped} steps in a row, up to step {step}, were "
                    "not finite and were left out: the run does not come back from that. The last "
                    "checkpoint is from before this loop; a lower learning rate, a longer warm-up "
                    "or float32 may help (RunConfig.max_skipped_steps lets a run go on for longer)"
                )
        if output["skipped"] < len(steps["step"]):
            self._look_at_loss(output["loss"], int(steps["step"][-1]))

    def _look_at_loss(self, loss, step):
        margin = self._config.divergence
        if margin is None:
            return
        high = not loss <= self._lowest + margin  # what is no number is high
        if high and not self._alarmed:
            line = (
                f"ALARM: the loss diverges: {loss:.4f} nats up to step {step}, "
                f"{self._lowest:.4f} was the lowest"
            )
            print(line, file=sys.stderr, flush=True)
        self._alarmed = high
        self._lowest = min(self._lowest, loss)
