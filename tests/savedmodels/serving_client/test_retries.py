import pytest

from savedmodels.serving_client.retries import Retries
from savedmodels.serving_client.serving_error import ServingError


def failing(kinds):
    """A function that fails of these kinds, one after the other, and then succeeds."""
    left, seconds = list(kinds), []

    def function(timeout):
        seconds.append(timeout)
        if left:
            raise ServingError(left.pop(0), "what", "books", "grpc://host:1")
        return "answer"

    return function, seconds


def test_what_may_pass_is_tried_again():
    function, seconds = failing(["not_there", "overloaded", "timeout"])
    assert Retries(4, first_wait=0).call(function, 60.0) == "answer"
    assert len(seconds) == 4
    assert seconds == sorted(seconds, reverse=True) and seconds[0] <= 60.0  # of one deadline


def test_what_is_got_over_is_in_the_log(caplog):
    function, _ = failing(["not_there", "overloaded"])
    with caplog.at_level("INFO", "savedmodels.client"):
        Retries(4, first_wait=0).call(function, 60.0)
    first, second = caplog.messages
    assert "'books'" in first and "the server runs" in first and "again in 0.0 s" in second


def test_an_attempt_has_its_own_time_within_that_of_the_call():
    function, seconds = failing(["timeout"])
    Retries(2, first_wait=0).call(function, 60.0, 5.0)
    assert seconds == [5.0, 5.0]
    function, seconds = failing([])
    Retries(2).call(function, 3.0, 5.0)
    assert 0 < seconds[0] <= 3.0


@pytest.mark.parametrize("kind", ["refused", "bad_input", "unknown_model", "too_large", "failed"])
def test_what_stays_is_not(kind):
    function, seconds = failing([kind])
    with pytest.raises(ServingError) as error:
        Retries(4, first_wait=0).call(function, 60.0)
    assert len(seconds) == 1 and error.value.attempts == 1
    assert "tried" not in str(error.value)


def test_the_last_failure_says_how_often_it_was_tried():
    function, seconds = failing(["overloaded", "not_there", "not_there"])
    with pytest.raises(ServingError) as error:
        Retries(2, first_wait=0).call(function, 60.0)
    assert error.value.kind == "not_there" and len(seconds) == 2
    assert "(tried 2 times in 0.0 s)" in str(error.value)


def test_a_wait_that_would_outlast_the_deadline_is_not_begun():
    function, seconds = failing(["not_there"] * 9)
    with pytest.raises(ServingError, match="the server runs"):
        Retries(9, first_wait=1e6, longest_wait=1e6).call(function, 0.01)
    assert len(seconds) == 1


def test_other_errors_are_not_tried_again():
    def function(timeout):
        raise KeyError("a mistake in the program")

    with pytest.raises(KeyError):
        Retries(9, first_wait=0).call(function, 60.0)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_wait": -1}, {"longest_wait": -0.1}])
def test_numbers_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match="at least 1 and waits not negative"):
        Retries(**wrong)
