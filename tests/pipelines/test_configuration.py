import re

import numpy as np
import pytest

import gin
from pipelines import configuration
from pipelines.errors import UserError
from tests.pipelines import runs

RUN_FILES = sorted((runs.ROOT / "gin" / "runs").glob("*.gin"))
SMALL = ["PerceiverARBackbone.width = 16", "PerceiverARBackbone.num_heads = 2"]


@pytest.fixture(autouse=True)
def forget():
    gin.clear_config()
    yield
    gin.clear_config()


def required_macros(file):
    return re.findall(r"^(\w+) = %gin.REQUIRED", file.read_text(), re.MULTILINE)


def relative(file):
    return str(file.relative_to(runs.ROOT))


@pytest.mark.parametrize("file", RUN_FILES, ids=lambda file: file.stem)
def test_every_run_file_is_an_experiment(file, tmp_path):
    books = runs.write_books(tmp_path / "books")
    bindings = [f"{name} = '{books}'" for name in required_macros(file)]
    configuration.parse([relative(file)], [*bindings, *SMALL])
    settings = configuration.make(configuration.TrainSettings)
    experiment = configuration.make(configuration.Experiment)
    backbone = experiment.make_model().backbone
    macro = gin.query_parameter
    assert backbone.max_context == macro("CONTEXT/macro.value")
    assert backbone.num_latents == macro("LATENTS/macro.value")
    assert backbone.vocab_size == experiment.task.vocab_size
    assert settings.batch_size == macro("BATCH_SIZE/macro.value")
    assert settings.steps == macro("STEPS/macro.value")
    # The learning rate comes from 0, peaks after the warm-up, and ends at 0 with the last step.
    schedule = experiment.make_optimizer()._learning_rate
    peak, warm = macro("LEARNING_RATE/macro.value"), macro("WARMUP_STEPS/macro.value")
    rates = [float(schedule(step)) for step in (0, warm, settings.steps)]
    np.testing.assert_allclose(rates, [0.0, peak, 0.0], atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize(
    "file", [file for file in RUN_FILES if required_macros(file)], ids=lambda file: file.stem
)
def test_a_required_value_that_is_missing_is_named(file):
    with pytest.raises(UserError) as error:
        configuration.parse([relative(file)], [])
    for name in required_macros(file):
        assert name in str(error.value)
    assert "--gin_bindings" in str(error.value)
    assert "\n" not in str(error.value)


def test_run_files_give_every_macro_a_reason():
    for file in RUN_FILES:
        for name in required_macros(file):
            assert re.search(rf"^{name} = %gin.REQUIRED\s+# \S", file.read_text(), re.MULTILINE)


def test_files_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configuration.parse(["gin/runs/copy_32_tiny.gin"], [])
    assert configuration.make(configuration.Experiment).task.length == 32


def test_bindings_come_after_all_files_and_the_last_one_counts():
    files = ["gin/runs/copy_32_tiny.gin"]
    configuration.parse(files, ["BATCH_SIZE = 6", "BATCH_SIZE = 7"])
    assert configuration.make(configuration.TrainSettings).batch_size == 7


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("Nobody.steps = 1", "Nobody"),
        ("TrainSettings.stepz = 1", "stepz"),
        ("Experiment.task = @NoSuchTask()", "NoSuchTask"),
        ("STEPZ = 1", "STEPZ"),
        ("STEPS = ", "STEPS = "),
        ("include 'gin/nowhere.gin'", "nowhere.gin"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
    ],
)
def test_a_binding_of_nothing_is_refused_by_name(binding, named):
    with pytest.raises(UserError, match=re.escape(named)):
        configuration.parse(["gin/runs/copy_32_tiny.gin"], [binding])


def test_a_gin_file_that_is_not_there_is_named():
    with pytest.raises(UserError, match="gin/runs/no_such_run.gin"):
        configuration.parse(["gin/runs/no_such_run.gin"], [])


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("LATENTS = 33", "num_latents=33, max_context=32"),
        ("PerceiverARBackbone.width = 130", "130"),
        ("PerceiverARBackbone.positions = 'nowhere'", "nowhere"),
        ("PerceiverARBackbone.dropout = 1.5", "dropout"),
        ("CopyTask.length = 7", "length must be even"),
        ("BATCH_SIZE = 0", "batch_size"),
        ("STEPS = 2.5", "steps"),
        ("TrainSettings.normalization = 'median'", "median"),
        ("TrainSettings.keep_checkpoints = 0", "keep_checkpoints"),
        ("TrainSettings.seed = -1", "seed"),
        ("TrainSettings.clip_norm = 'a lot'", "clip_norm"),
        ("TrainSettings.evaluation_interval = -1", "evaluation_interval"),
        ("TrainSettings.evaluation_batch_size = -1", "evaluation_batch_size"),
    ],
)
def test_a_setting_out_of_range_is_named(binding, named):
    configuration.parse(["gin/runs/copy_32_tiny.gin"], [binding])
    with pytest.raises(UserError, match=re.escape(named)):
        configuration.make(configuration.TrainSettings)
        configuration.make(configuration.Experiment).make_model()


def test_the_operative_configuration_makes_the_same_experiment(tmp_path):
    books = runs.write_books(tmp_path / "books")
    runs.save_untrained(tmp_path / "run", runs.text_flags(books, "TrainSettings.seed = 5"))
    configuration.read_model_dir(str(tmp_path / "run"))
    settings = configuration.make(configuration.TrainSettings)
    experiment = configuration.make(configuration.Experiment)
    assert (settings.seed, settings.steps, settings.batch_size) == (5, 6, 4)
    assert experiment.task.path == str(books)
    backbone = experiment.make_model().backbone
    assert (backbone.width, backbone.max_context, backbone.num_latents) == (16, 8, 4)


def test_bindings_come_after_those_of_the_run(tmp_path):
    runs.save_untrained(tmp_path, runs.copy_flags())
    configuration.read_model_dir(str(tmp_path), bindings=["LATENTS = 3"])
    assert configuration.make(configuration.Experiment).make_model().backbone.num_latents == 3
