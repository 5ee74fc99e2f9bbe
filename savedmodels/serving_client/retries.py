"""How often a call is tried, and how long it waits in between."""

import dataclasses
import logging
import time

import tenacity

from savedmodels.serving_client.serving_error import ServingError

# gRPC and urllib3 take no time-out of nothing.
_LEAST = 0.001
_LOG = logging.getLogger("savedmodels.client")


@dataclasses.dataclass(frozen=True)
class Retries:
    """Attempts with growing waits, each of a random part of the longest, so that clients spread.

    Args:
        attempts: int. 1 tries once.
        first_wait: float. Seconds before the second attempt at most; doubled for each later one.
        longest_wait: float. Seconds.
    """

    attempts: int = 6
    first_wait: float = 0.25
    longest_wait: float = 10.0

    def __post_init__(self):
        numbers = (self.attempts - 1, self.first_wait, self.longest_wait)
        if not all(0 <= number < float("inf") for number in numbers):
            raise ValueError(f"attempts must be at least 1 and waits not negative, got {self}")

    def call(self, function, timeout, attempt_timeout=None):
        """Calls until it succeeds, fails for a reason that stays, or the time is over.

        Args:
            function: function of the seconds it may take.
            timeout: float. Seconds for all attempts and waits together.
            attempt_timeout: float or None. Seconds for each; None is all that are left.

        Raises:
            ServingError: of the last attempt.
        """
        began, attempts = time.monotonic(), 0

        def attempt():
            nonlocal attempts
            attempts += 1
            left = timeout - (time.monotonic() - began)
            return function(max(_LEAST, min(left, attempt_timeout or left)))

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, ServingError) and error.may_pass
            ),
            # Before the delay: a wait that ends after the deadline is not begun.
            stop=tenacity.stop_after_attempt(self.attempts) | tenacity.stop_before_delay(timeout),
            wait=tenacity.wait_random_exponential(
                multiplier=self.first_wait, max=self.longest_wait
            ),
            before_sleep=_tell,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except ServingError as error:
            error.attempts, error.seconds = attempts, time.monotonic() - began
            raise


def _tell(state):
    """To whoever turns on the log: each failure that is got over leaves a line."""
    _LOG.info("%s; again in %.1f s", state.outcome.exception(), state.upcoming_sleep)
