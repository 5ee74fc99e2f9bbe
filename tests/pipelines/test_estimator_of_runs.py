"""An estimator of what the commands have trained."""

import numpy as np
import pytest

import gin
from pipelines.errors import UserError
from pipelines.estimator import Estimator
from tests.pipelines import runs


@pytest.fixture
def no_settings():
    """gin told nothing, before and after."""
    gin.clear_config()
    yield
    gin.clear_config()


def test_a_run_of_the_commands_is_loaded_from_its_directory(tmp_path, no_settings):
    books = runs.text_flags(runs.write_books(tmp_path / "books"), "CONTEXT = 40")
    models = {
        step: runs.save_untrained(tmp_path / "text", books, step=step, scale=scale)
        for step, scale in ((3, 0.5), (5, 0.25))
    }
    copy = runs.save_untrained(tmp_path / "copy", runs.copy_flags(), scale=0.5)
    assert len(Estimator.from_model_dir(str(tmp_path / "copy")).load_model().weights) == len(
        copy.weights
    )
    estimator = Estimator.from_model_dir(str(tmp_path / "text"))
    assert estimator.task.decode(estimator.task.encode("größe")) == "größe"
    for step, model in ((None, models[5]), (3, models[3])):
        loaded = estimator.load_model(step)
        for found, wanted in zip(loaded.weights, model.weights, strict=True):
            if "seed" not in wanted.path:
                np.testing.assert_array_equal(found, wanted, wanted.path)
    with pytest.raises(UserError, match="holds no checkpoint of step 4"):
        estimator.load_model(4)


def test_an_estimator_of_no_settings_says_where_they_come_from(tmp_path, no_settings):
    with pytest.raises(UserError, match=r"no settings: Estimator\.from_model_dir\(MODEL_DIR\)"):
        Estimator.from_gin(str(tmp_path))
    with pytest.raises(UserError, match="holds no operative_config.gin"):
        Estimator.from_model_dir(str(tmp_path))
