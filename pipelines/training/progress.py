"""What a person at the terminal sees of a run."""

import datetime
import time


class Progress:
    """Prints a line after each loop. An `orbit.Action`.

    The first loop compiles the step, so it counts in no speed.

    Args:
        global_step: `tf.Variable`.
        total_steps: int.
    """

    def __init__(self, global_step, total_steps):
        self._global_step = global_step
        self._total_steps = total_steps
        self._warm = False
        self.restart_clock()

    def __call__(self, output):
        step, now = int(self._global_step.numpy()), time.monotonic()
        steps, seconds = step - self._last_step, max(now - self._last_time, 1e-9)
        left = "compiling included"
        if self._warm:
            left = (self._total_steps - step) / steps * seconds
            left = f"{datetime.timedelta(seconds=round(left))} left"
        skipped = f" | {output['skipped']} steps skipped" if output["skipped"] else ""
        wait = f" | {output['input_wait']:.0%} waiting for input" if output["input_wait"] else ""
        print(
            f"step {step}/{self._total_steps}"
            f" | loss {output['loss']:.4f} nats"
            f" | accuracy {output['accuracy']:.4f}{skipped}"
            f" | {steps / seconds:.2f} steps/s"
            f" | {output['labels'] / seconds:,.0f} targets/s"
            f"{wait} | {left}",
            flush=True,
        )
        self._warm = True
        self.restart_clock()

    def restart_clock(self):
        """Leaves out what came in between (an evaluation, a checkpoint) from the speed."""
        self._last_step, self._last_time = int(self._global_step.numpy()), time.monotonic()
