"""The original's trajectory through the whole runtime: data in, Estimator, log, checkpoint."""

import json

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.golden.cases import Case
from tests.golden.test_training import (
    FOLDER,
    STEPS,
    TOLERANCES,
    batches,
    check_weights,
    make_optimizer,
)
from tests.keras_perceiver_ar.support import BACKEND

pytestmark = pytest.mark.skipif(BACKEND != "tensorflow", reason="the runtime is TensorFlow's")


def make_estimator(folder, num_microbatches):
    """A run of the original's twenty batches from the original's weights."""
    import tensorflow as tf

    from pipelines.configuration import Experiment
    from pipelines.data import InputFnTask
    from pipelines.estimator import Estimator
    from pipelines.settings import RunConfig, TrainSettings

    case = Case("a_abs_sinusoidal")
    model = kpar.convert.from_original(case.config, case.params)
    model.save(folder / "original.keras")
    inputs, labels = zip(*batches(), strict=True)
    inputs = {name: np.stack([part[name] for part in inputs]) for name in inputs[0]}

    def input_fn(params):
        assert params["batch_size"] == 4
        data = (inputs, np.stack(labels).astype("int32"))
        return tf.data.Dataset.from_tensor_slices(data)

    def make_backbone(vocab_size):
        config = model.backbone.get_config()
        assert config["vocab_size"] == vocab_size
        return kpar.models.PerceiverARBackbone.from_config(config)

    def optimizer():
        made = make_optimizer("adam")
        made.global_clipnorm = None  # the runtime clips
        return made

    settings = TrainSettings(
        steps=STEPS["adam"],
        batch_size=4,
        num_microbatches=num_microbatches,
        steps_per_loop=6,
        checkpoint_interval=8,
    )
    task = InputFnTask(case.config["num_classes"], input_fn)
    config = RunConfig(warm_start=str(folder / "original.keras"))
    return Estimator(
        str(folder / "run"), Experiment(task, make_backbone, optimizer), settings, config
    )


@pytest.mark.parametrize("num_microbatches", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_original_s_trajectory(tmp_path, num_microbatches):
    # Stopped on the way, so that what is saved and skipped counts as well.
    for max_steps in (9, None):
        assert make_estimator(tmp_path, num_microbatches).train(max_steps) == 0
    model, _ = make_estimator(tmp_path, 1)._run.make(optimizer=False)
    from pipelines import checkpoints

    assert checkpoints.restore_weights(str(tmp_path / "run"), model) == STEPS["adam"]
    golden = np.load(FOLDER / f"adam_{STEPS['adam']}_steps.npz")
    check_weights(kpar.convert.to_original(model), golden, TOLERANCES["adam"])

    lines = (tmp_path / "run" / "train_log.jsonl").read_text().splitlines()
    log = [json.loads(line) for line in lines]
    log = {key: np.array([step[key] for step in log]) for key in log[0]}
    wanted = json.loads((FOLDER / "logs.json").read_text())["adam"]
    np.testing.assert_array_equal(log["step"], np.arange(1, 21))
    np.testing.assert_array_equal(log["labels"], wanted["labels"])
    total = (log["loss"] + log["z_loss"]) * log["labels"]
    np.testing.assert_allclose(total, wanted["total_loss"], rtol=1e-6)
    for key in ("gradient_norm", "learning_rate"):
        np.testing.assert_allclose(log[key], wanted[key], rtol=1e-6, err_msg=key)
