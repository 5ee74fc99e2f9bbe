import errno
import os

import keras
import numpy as np
import pytest

from pipelines.errors import RunError, UserError
from pipelines.experiment import fitting


class Killed(Exception):
    pass


def make_model(loss="mse", rate=0.1, dropout=0.0):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dropout(dropout, seed=1)] if dropout else []
    model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(rate), loss=loss, metrics=["mae"])
    return model


def make_batch(step):
    rng = np.random.default_rng(step)
    x = rng.normal(size=(4, 3)).astype("float32")
    return x, x[:, :2] * step


def fit(model, path, steps=12, **options):
    return fitting.fit(model, make_batch, steps, path / "run", stretch=3, **options)


def state(model):
    return [np.asarray(v) for v in (*model.variables, *model.optimizer.variables)]


@pytest.mark.parametrize(
    ("steps", "looks"), [(12, [3, 6, 9, 12]), (11, [3, 6, 9, 11]), (2, [2]), (4, [3, 4])]
)
def test_a_run_is_fit_by_hand(tmp_path, steps, looks):
    model, by_hand = make_model(), make_model()
    history = fit(model, tmp_path, steps)
    for step in range(steps):
        by_hand.train_on_batch(*make_batch(step))
    for found, wanted in zip(state(model), state(by_hand), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)
    assert [figures["step"] for figures in history] == looks


def test_how_far_the_weights_are(tmp_path):
    assert fitting.steps_done(tmp_path / "run") == 0
    fit(make_model(), tmp_path, steps=6)
    assert fitting.steps_done(tmp_path / "run") == 6
    (tmp_path / "run.weights.h5").write_bytes(b"torn")
    with pytest.raises(UserError, match="is torn"):
        fitting.steps_done(tmp_path / "run")


@pytest.mark.parametrize(("steps", "dropout"), [(12, 0.0), (12, 0.5), (10, 0.5)])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_it_goes_on_where_it_was_killed(tmp_path, monkeypatch, after, steps, dropout):
    whole = make_model(dropout=dropout)
    (tmp_path / "whole").mkdir()
    fit(whole, tmp_path / "whole", steps)
    monkeypatch.setattr(fitting, "SAVE_EVERY", -1.0)
    told = []

    def die(figures):
        told.append(figures["step"])
        if len(told) > after:
            raise Killed

    with pytest.raises(Killed):
        fit(make_model(dropout=dropout), tmp_path, steps, say=die)
    again, looks = make_model(dropout=dropout), []
    history = fit(again, tmp_path, steps, say=lambda figures: looks.append(figures["step"]))
    assert looks == [3, 6, 9, steps][after:]
    for found, wanted in zip(state(again), state(whole), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert [figures["step"] for figures in history] == [3, 6, 9, steps]
    seconds = [figures["seconds"] for figures in history]
    assert seconds == sorted(seconds)


def test_what_is_done_is_not_done_again(tmp_path):
    model = make_model()
    history = fit(model, tmp_path)
    again = make_model()

    def never(step):
        raise AssertionError(step)

    assert fitting.fit(again, never, 12, tmp_path / "run", stretch=3) == history
    for found, wanted in zip(state(again), state(model), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_goal_ends_it(tmp_path):
    history = fit(make_model(), tmp_path, until=lambda history: len(history) == 2)
    assert [figures["step"] for figures in history] == [3, 6]


def test_time_ends_it(tmp_path):
    assert len(fit(make_model(), tmp_path, seconds=1e-9)) == 1


def test_a_loss_that_is_no_number_ends_it(tmp_path):
    with pytest.raises(RunError, match="the loss is nan at step 3"):
        fit(make_model(rate=float("nan")), tmp_path, steps=300)


@pytest.mark.parametrize("content", [b"", b"none", None])
def test_weights_that_are_torn_are_named(tmp_path, content):
    fit(make_model(), tmp_path)
    file = tmp_path / "run.weights.h5"
    file.write_bytes(file.read_bytes()[:-100] if content is None else content)
    with pytest.raises(UserError, match=r"run\.weights\.h5' is torn"):
        fit(make_model(), tmp_path)


def test_weights_of_another_model_are_named(tmp_path):
    fit(make_model(), tmp_path)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    other.compile(keras.optimizers.Adam(0.1), loss="mse", metrics=["mae"])
    with pytest.raises(UserError, match="of another model"):
        fit(other, tmp_path)


def test_a_full_disk_raises_an_error(tmp_path, monkeypatch):
    """HDF5 would kill the process, so it is not asked to write."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fitting.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        fit(make_model(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_room_is_asked_for_at_least_what_is_written(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(fitting.os, "posix_fallocate", lambda *args: asked.append(args[-1]))
    fit(make_model(), tmp_path)
    assert asked[0] >= (tmp_path / "run.weights.h5").stat().st_size
