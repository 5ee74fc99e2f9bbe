import pytest
import tensorflow as tf

from pipelines import remote
from pipelines.errors import UserError


@pytest.fixture
def path(tmp_path):
    (tmp_path / "x").write_bytes(b"four")
    return str(tmp_path / "x")


class Stumbling:
    """In place of a function of TensorFlow's: fails a number of times first."""

    def __init__(self, function, error, times):
        self.function, self.error, self.times, self.calls = function, error, times, 0

    def __call__(self, *arguments):
        self.calls += 1
        if self.calls <= self.times:
            raise self.error(None, None, "no luck")
        return self.function(*arguments)


def stumble(monkeypatch, error, times):
    monkeypatch.setattr(remote.stat.retry, "wait", lambda state: 0)
    stat = Stumbling(tf.io.gfile.stat, error, times)
    monkeypatch.setattr(tf.io.gfile, "stat", stat)
    return stat


def test_an_internal_error_is_tried_again(path, monkeypatch):
    stat = stumble(monkeypatch, tf.errors.InternalError, 2)
    assert remote.stat(path).length == 4
    assert stat.calls == 3


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (tf.errors.InternalError, 5),
        (tf.errors.AbortedError, 1),  # TensorFlow tried for minutes
        (tf.errors.NotFoundError, 1),
        (tf.errors.PermissionDeniedError, 1),
    ],
)
def test_what_lasts_is_an_error(path, monkeypatch, error, calls):
    stat = stumble(monkeypatch, error, 9)
    with pytest.raises(error, match="no luck"):
        remote.stat(path)
    assert stat.calls == calls


def test_another_size_is_an_error(path, monkeypatch):
    monkeypatch.setattr(remote.read.retry, "wait", lambda state: 0)
    assert remote.read(path, 4) == b"four"
    with pytest.raises(remote.ShortRead, match="4 bytes came of 5"):
        remote.read(path, 5)


@pytest.mark.parametrize(
    ("error", "is_away"),
    [
        (tf.errors.UnavailableError, True),
        (tf.errors.InternalError, True),
        (tf.errors.NotFoundError, False),
        (tf.errors.PermissionDeniedError, False),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(path, monkeypatch, error, is_away):
    stumble(monkeypatch, error, 9)
    with pytest.raises(UserError, match="no luck") as caught:
        remote.content(path)
    assert isinstance(caught.value, remote.Away) == is_away
