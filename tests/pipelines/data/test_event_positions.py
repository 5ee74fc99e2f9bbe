import numpy as np
import pytest

from pipelines.data.event_positions import event_positions
from pipelines.errors import UserError

TABLE = np.array([[1, 1], [4, 2], [3, 5]], np.int32)


def test_positions_stay_what_they_are():
    assert event_positions(TABLE, False, "a") is TABLE
    assert event_positions(None, False, "a") is None


def test_targets_come_beside_them():
    assert event_positions(TABLE, True, "a").tolist() == [[1, 1, 4, 2], [4, 2, 3, 5], [3, 5, 0, 0]]


def test_events_in_a_line_have_none():
    with pytest.raises(UserError, match="'a set' come one behind the other.*leave .* out"):
        event_positions(None, True, "a set")


@pytest.mark.parametrize("flag", [1, "yes", None])
def test_what_is_no_bool_is_refused(flag):
    with pytest.raises(UserError, match="target_positions must be True or False"):
        event_positions(TABLE, flag, "a")
