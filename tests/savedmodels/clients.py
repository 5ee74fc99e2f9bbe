"""What tests of the client share."""

import pytest

from savedmodels.client import Retries, ServingError

ROW = [[2, 40, 50]]
# No waits: what is tried again is tried at once.
AT_ONCE = Retries(attempts=3, first_wait=0.0)
# As many attempts as the deadline has room for.
PATIENT = Retries(attempts=10**6, first_wait=0.01, longest_wait=0.05)


def failure(call):
    """The `ServingError` of a call, which is told in one line."""
    with pytest.raises(ServingError) as error:
        call()
    assert "\n" not in str(error.value)
    return error.value
