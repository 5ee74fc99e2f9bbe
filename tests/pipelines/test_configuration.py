import re

import keras
import numpy as np
import pytest

import gin
import keras_perceiver_ar as kpar
from pipelines import checkpoints, configuration, gin_reading, train
from pipelines.errors import UserError
from tests.keras_perceiver_ar.support import no_weights
from tests.pipelines import runs, shards

RUN_FILES = sorted((runs.ROOT / "gin" / "runs").glob("*.gin"))
# As published, less the frozen tables that the original counts as parameters.
PARAMETERS = {
    "copy_32": 26_810_627 - 33 * 1024,
    "copy_131072": 223_976_707 - 131_073 * 1024,
    "imagenet64": 770_094_339,
    "imagenet64_rgb": 770_094_339,
}


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
    data = runs.write_books(tmp_path / "books")
    text = file.read_text()
    if "DATA" in text and "books.gin" not in text:  # of shards: the codec comes from the manifest
        dataset = "imagenet64" if "imagenet64" in file.stem else "pg19"
        if dataset == "imagenet64":
            data = tmp_path / "images"
            shards.write_images(data)
        shards.prepare(data, tmp_path / "shards", dataset=dataset)
        data = tmp_path / "shards"
    values = {"DATA": repr(str(data)), "BATCH_SIZE": 8}
    bindings = [f"{name} = {values[name]}" for name in required_macros(file)]
    configuration.parse([relative(file)], bindings)
    settings = gin_reading.make(configuration.TrainSettings)
    experiment = gin_reading.make(configuration.Experiment)
    with no_weights():  # gigabytes that nobody needs
        model = experiment.make_model()
    assert model.count_params() == PARAMETERS.get(file.stem, model.count_params())
    backbone = model.backbone
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
    gin.clear_config()
    flags = [f"--gin_file={relative(file)}", *runs.bind(*bindings), f"--model_dir={tmp_path}/run"]
    assert runs.call(train.main, *flags, "--dry_run") == 0


def test_books_take_as_many_parameters_as_the_paper_says(tmp_path):
    """974.6 million, by readers' guess of the width of the inputs and of the vocabulary."""
    shards.prepare(runs.write_books(tmp_path / "books"), tmp_path / "shards")
    configuration.parse(["gin/runs/pg19.gin"], [f"DATA = '{tmp_path / 'shards'}'"])
    experiment = gin_reading.make(configuration.Experiment)
    with no_weights():
        model = kpar.models.PerceiverARCausalLM(experiment.backbone(vocab_size=32_000))
    np.testing.assert_allclose(model.count_params(), 974.6e6, rtol=5e-4)


@pytest.mark.parametrize(
    ("file", "optimizer", "schedule"),
    [
        ("adam", "OptaxAdam", "CosineDecay"),
        ("lamb", "OptaxLamb", "CosineDecay"),
        ("adafactor", "OptaxAdafactor", "CosineDecay"),
        ("sgd", "OptaxSGD", "CosineDecay"),
        ("sm3", "SM3", "ConstantWithWarmup"),
    ],
)
def test_a_runtime_file_after_the_run_file_changes_the_optimizer(file, optimizer, schedule):
    configuration.parse(["gin/runs/copy_32_tiny.gin", f"gin/runtime/{file}.gin"], [])
    made = gin_reading.make(configuration.Experiment).make_optimizer()
    assert type(made).__name__ == optimizer
    assert type(made._learning_rate).__name__ == schedule
    peak, warm = (
        gin.query_parameter(f"{name}/macro.value") for name in ("LEARNING_RATE", "WARMUP_STEPS")
    )
    rates = [float(made._learning_rate(step)) for step in (0, warm)]
    np.testing.assert_allclose(rates, [0.0, peak], rtol=1e-6)


@pytest.mark.parametrize(
    ("file", "shares"),
    [
        ("cosine", {50: 1, 225: 0.5, 400: 0}),
        ("constant", {50: 1, 400: 1}),
        ("steps", {50: 1, 199: 1, 200: 0.1, 320: 0.01, 380: 0.001}),
        ("inverse_square_root", {50: 1, 200: 0.5}),
    ],
)
def test_a_runtime_file_changes_the_learning_rate(file, shares):
    files = ["gin/runs/copy_32_tiny.gin", "gin/runtime/lamb.gin", f"gin/runtime/{file}.gin"]
    configuration.parse(files, ["LEARNING_RATE = 0.5"])
    rate = gin_reading.make(configuration.Experiment).make_optimizer()._learning_rate
    rates = [float(rate(step)) for step in shares]
    np.testing.assert_allclose(rates, [0.5 * share for share in shares.values()], atol=1e-8)


@pytest.mark.parametrize("name", ["Adafactor", "Adam", "AdamW", "Lamb", "SGD"])
def test_keras_own_optimizers_are_there_too(name):
    binding = f"Experiment.optimizer = @{name}\n{name}.learning_rate = 0.25"
    configuration.parse(["gin/runs/copy_32_tiny.gin"], [binding])
    optimizer = gin_reading.make(configuration.Experiment).make_optimizer()
    assert type(optimizer) is getattr(keras.optimizers, name)
    assert float(optimizer.learning_rate) == 0.25


@pytest.mark.parametrize(
    ("binding", "named"),
    [
        ("LEARNING_RATE = -1", "`learning_rate` must be a finite number ≥ 0"),
        ("WARMUP_STEPS = 1e3", "`warmup_steps` must be an integer ≥ 0"),
        ("WARMUP_STEPS = 400", "warmup_steps=400, training_steps=400"),
        ("StepsWithWarmup.boundaries = [2.0]", "boundaries=[2.0]"),
        ("OptaxAdam.beta_1 = 1.0", "`beta_1`"),
        ("StepsWithWarmup.parity = 'yes'", "(in the settings of StepsWithWarmup)"),
    ],
)
def test_a_setting_that_a_schedule_or_optimizer_refuses_is_named(binding, named):
    configuration.parse(["gin/runs/copy_32_tiny.gin", "gin/runtime/steps.gin"], [binding])
    with pytest.raises(UserError, match=re.escape(named)):
        gin_reading.make(configuration.Experiment).make_optimizer()


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
    assert gin_reading.make(configuration.Experiment).task.length == 32


def test_bindings_come_after_all_files_and_the_last_one_counts():
    files = ["gin/runs/copy_32_tiny.gin"]
    configuration.parse(files, ["BATCH_SIZE = 6", "BATCH_SIZE = 7"])
    assert gin_reading.make(configuration.TrainSettings).batch_size == 7


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
        ("TrainSettings.label_smoothing = 1.0", "label_smoothing must be less than 1, got 1.0"),
        ("TrainSettings.label_smoothing = -0.1", "label_smoothing"),
        ("TrainSettings.num_microbatches = 0", "num_microbatches"),
        ("TrainSettings.num_microbatches = 3", "batch_size is 256, which cannot be cut"),
        ("TrainSettings.clip_norm = 'a lot'", "clip_norm"),
        ("TrainSettings.evaluation_interval = -1", "evaluation_interval"),
        ("TrainSettings.evaluation_batch_size = -1", "evaluation_batch_size"),
    ],
)
def test_a_setting_out_of_range_is_named(binding, named):
    configuration.parse(["gin/runs/copy_32_tiny.gin"], [binding])
    with pytest.raises(UserError, match=re.escape(named)):
        gin_reading.make(configuration.TrainSettings)
        gin_reading.make(configuration.Experiment).make_model()


def test_the_operative_configuration_makes_the_same_experiment(tmp_path):
    books = runs.write_books(tmp_path / "books")
    runs.save_untrained(tmp_path / "run", runs.text_flags(books, "TrainSettings.seed = 5"))
    configuration.read_model_dir(str(tmp_path / "run"))
    settings = gin_reading.make(configuration.TrainSettings)
    experiment = gin_reading.make(configuration.Experiment)
    assert (settings.seed, settings.steps, settings.batch_size) == (5, 6, 4)
    assert experiment.task.path == str(books)
    backbone = experiment.make_model().backbone
    assert (backbone.width, backbone.max_context, backbone.num_latents) == (16, 8, 4)


def test_bindings_come_after_those_of_the_run(tmp_path):
    runs.save_untrained(tmp_path, runs.copy_flags())
    configuration.read_model_dir(str(tmp_path), bindings=["LATENTS = 3"])
    assert gin_reading.make(configuration.Experiment).make_model().backbone.num_latents == 3


OPTIONS = (
    "PerceiverARBackbone.cross_attend = @CrossAttend()",
    "CrossAttend.after_layers = (0,)",
    "CrossAttend.route = @AttentionRoute()",
    "AttentionRoute.key_chunk_size = 3",
    "PerceiverARBackbone.latent_query = @LatentQuery()",
    "LatentQuery.style = 'mlp'",
    "LatentQuery.latents_per_position = 2",
    "PerceiverARBackbone.dropout = @DropoutRates()",
    "DropoutRates.outputs = 0.1",
    "DropoutRates.keep_inputs = 6",
    "PerceiverARBackbone.rematerialize = True",
    "PerceiverARBackbone.positions = @RotaryEmbedding()",
    "RotaryEmbedding.max_wavelength = %CONTEXT",
    "PerceiverARCausalLM.tie_embeddings = True",
    "LATENTS = 8",
)


@pytest.mark.slow
def test_gin_reaches_every_group_of_options(tmp_path, capsys):
    flags = [*runs.copy_flags(*OPTIONS), f"--model_dir={tmp_path}", "--mode=train_and_evaluate"]
    assert runs.call(train.main, *flags) == 0
    assert "step 6/6" in capsys.readouterr().out
    # From the directory alone the same model comes back.
    configuration.read_model_dir(str(tmp_path))
    model = gin_reading.make(configuration.Experiment).make_model()
    backbone = model.backbone
    assert model.tie_embeddings and backbone.rematerialize
    assert backbone.cross_attend.after_layers == (0,)
    assert backbone.cross_attend.route.key_chunk_size == 3
    assert (backbone.latent_query.style, backbone.num_positions()) == ("mlp", 4)
    assert (backbone.dropout_rates.outputs, backbone.dropout_rates.keep_inputs) == (0.1, 6)
    assert checkpoints.restore_weights(str(tmp_path), model) == 6


@pytest.mark.parametrize("setting", ["clipnorm = 1.0", "global_clipnorm = 1.0", "use_ema = True"])
def test_an_optimizer_s_setting_that_would_not_act_is_refused(tmp_path, capsys, setting):
    flags = [*runs.copy_flags(f"OptaxAdam.{setting}"), f"--model_dir={tmp_path / 'run'}"]
    line = runs.refusal(capsys, train.main, *flags)
    assert f"the optimizer's {setting.split()[0]}" in line and "leave it out" in line
    assert not (tmp_path / "run").exists()
