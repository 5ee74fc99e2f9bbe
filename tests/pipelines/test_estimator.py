"""The face of TPUEstimator: each call begins with what the one before it left."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines import checkpoints
from pipelines.configuration import Experiment
from pipelines.data import InputFnTask
from pipelines.errors import RunError, UserError
from pipelines.estimator import Estimator
from pipelines.settings import RunConfig, TrainSettings

VOCABULARY, CONTEXT = 12, 8


def rows(number, seed):
    ids = np.random.default_rng(seed).integers(3, VOCABULARY, (number, CONTEXT + 1), dtype="int32")
    return {"token_ids": ids[:, :-1]}, ids[:, 1:]


def train_input_fn(params):
    assert params.keys() == {"batch_size", "context", "seed", "shard_index", "num_shards"}
    data = tf.data.Dataset.from_tensor_slices(rows(64, params["seed"]))
    return data.batch(params["batch_size"], drop_remainder=True).repeat()


def evaluation_input_fn(params):
    data = tf.data.Dataset.from_tensor_slices(rows(6, 7))
    return data.batch(params["batch_size"], drop_remainder=True)


def make_backbone(vocab_size, width=16):
    return kpar.models.PerceiverARBackbone(
        vocab_size, CONTEXT, 4, num_layers=1, width=width, num_heads=2
    )


def make(folder, steps=6, config=None, exporter=None, width=16, **settings):
    task = InputFnTask(VOCABULARY, train_input_fn, evaluation_input_fn)
    experiment = Experiment(
        task,
        functools.partial(make_backbone, width=width),
        functools.partial(keras.optimizers.AdamW, 0.01, weight_decay=0.1),
    )
    settings = {"batch_size": 2, "steps_per_loop": 2, "checkpoint_interval": 2} | settings
    settings = TrainSettings(steps=steps, **settings)
    return Estimator(str(folder), experiment, settings, config, exporter=exporter)


def weights(folder, step, group="model"):
    reader = tf.train.load_checkpoint(str(folder / f"ckpt-{step}"))
    names = reader.get_variable_to_shape_map()
    return {
        name.split("/")[1]: reader.get_tensor(name)
        for name in names
        if name.startswith(f"{group}/")
    }


def read_evaluations(folder):
    return [json.loads(line) for line in (folder / "evaluation_log.jsonl").read_text().splitlines()]


def test_training_stops_where_it_is_told_and_goes_on(tmp_path):
    assert make(tmp_path / "a").train(max_steps=4) == 0
    assert checkpoints.newest_checkpoint(str(tmp_path / "a")).endswith("ckpt-4")
    assert make(tmp_path / "a").train() == 0
    assert make(tmp_path / "b").train() == 0
    expected, actual = weights(tmp_path / "b", 6), weights(tmp_path / "a", 6)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, name)


def test_evaluation_goes_with_training_and_the_best_is_a_directory_by_itself(tmp_path):
    config = RunConfig(keep_best="loss")
    estimator = make(tmp_path, config=config, evaluation_interval=2, ema_decay=0.5)
    assert estimator.train_and_evaluate() == 0
    lines = read_evaluations(tmp_path)
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert estimator.evaluate()["loss"] == pytest.approx(lines[-1]["loss"], rel=1e-6)
    best = min(lines, key=lambda line: line["loss"])
    again = make(tmp_path / "best", ema_decay=0.5).evaluate()
    assert (again["step"], again["loss"]) == (best["step"], pytest.approx(best["loss"], rel=1e-6))


def test_a_metric_that_there_is_not_is_refused_before_anything_is_trained(tmp_path):
    estimator = make(tmp_path, config=RunConfig(keep_best="bits_per_dim"))
    with pytest.raises(UserError, match="keep_best must be one of accuracy, loss, got 'bits"):
        estimator.train_and_evaluate()
    assert not list(tmp_path.iterdir())


def test_the_average_is_that_of_the_weights_over_steps_and_is_what_is_evaluated(tmp_path):
    settings = {"ema_decay": 0.75, "keep_checkpoints": 9, "steps_per_loop": 1}
    estimator = make(tmp_path, checkpoint_interval=1, **settings)
    assert estimator.train() == 0
    average = weights(tmp_path, 1)  # Keras begins with the weights after the first step
    for step in range(2, 7):
        now = weights(tmp_path, step)
        average = {name: 0.75 * average[name] + 0.25 * now[name] for name in average}
    found = weights(tmp_path, 6, "average")
    assert found.keys() <= average.keys() and found
    for name, value in found.items():
        np.testing.assert_allclose(value, average[name], rtol=0, atol=1e-6, err_msg=name)
    model, _ = estimator._run.make(optimizer=False)
    checkpoints.restore_weights(str(tmp_path), model)
    for variable in model.trainable_variables:
        np.testing.assert_array_equal(variable, found[variable.path.replace("/", ".S")])


def test_weights_that_are_left_out_do_not_decay(tmp_path):
    for name, patterns in (("all", ()), ("some", ("bias$", "norm"))):
        make(tmp_path / name, 2, weight_decay_except=patterns).train()
    everything, some = (weights(tmp_path / name, 2) for name in ("all", "some"))
    same = {name for name in some if np.array_equal(some[name], everything[name])}
    # After a step of AdamW all weights have moved; what was zero has not decayed.
    assert not [name for name in same if name.endswith("kernel")]
    changed = [name for name in some.keys() - same if "norm" in name and name.endswith("gamma")]
    assert changed
    with pytest.raises(UserError, match="weight_decay_except: 'nothing' is found in no weight"):
        make(tmp_path / "none", weight_decay_except=("nothing",)).train()


def test_predictions_are_the_model_s_scores(tmp_path):
    estimator = make(tmp_path)
    estimator.train()
    inputs, _ = rows(5, 3)

    def input_fn(params):
        return tf.data.Dataset.from_tensor_slices(inputs).batch(params["batch_size"])

    found = list(estimator.predict(input_fn, batch_size=2))
    model, _ = estimator._run.make(optimizer=False)
    checkpoints.restore_weights(str(tmp_path), model)
    np.testing.assert_array_equal([row["token_ids"] for row in found], inputs["token_ids"])
    scores = model.score(inputs).numpy()
    np.testing.assert_allclose([row["log_probs"] for row in found], scores, rtol=1e-5, atol=1e-6)
    assert np.isfinite(scores[:, -1]).all()


def test_an_export_is_the_exporter_s(tmp_path):
    calls = []

    def exporter(run, output, step):
        calls.append((run.model_dir, output, step))
        return "done"

    assert make(tmp_path, exporter=exporter).export_saved_model("there", 4) == "done"
    assert calls == [(str(tmp_path), "there", 4)]
    with pytest.raises(ValueError, match="has no exporter"):
        make(tmp_path).export_saved_model("there")


def test_continuous_evaluation_ends_with_the_last_step_or_the_time(tmp_path, capsys):
    estimator = make(tmp_path, config=RunConfig(keep_best="accuracy"))
    with pytest.raises(RunError, match=r"no new checkpoint came in 0\.1 seconds, .* of step 6"):
        estimator.evaluate_continuously(timeout=0.1)
    estimator.train()
    results = estimator.evaluate_continuously(timeout=0.1)
    assert results["loss"] == pytest.approx(estimator.evaluate()["loss"], rel=1e-6)
    (line,) = read_evaluations(tmp_path)
    assert line["step"] == 6 and (tmp_path / "best" / "ckpt-6.index").exists()
    assert list((tmp_path / "evaluation").iterdir())
    assert estimator.evaluate_continuously(timeout=0.1) is None  # it is known


@pytest.mark.parametrize("source", ["run", "run/ckpt-4", "model.keras", "model.weights.h5"])
def test_a_warm_start_takes_what_matches_and_says_what_does_not(tmp_path, capsys, source):
    first = make(tmp_path / "run")
    first.train()
    model, _ = first._run.make(optimizer=False)
    step = checkpoints.restore_weights(str(tmp_path / "run"), model, 4 if "4" in source else None)
    if source.startswith("model"):
        (model.save if source.endswith(".keras") else model.save_weights)(tmp_path / source)
    config = RunConfig(warm_start=str(tmp_path / source))
    second = make(tmp_path / "second", config=config, steps=1, steps_per_loop=1)
    second._run.experiment.optimizer.keywords["weight_decay"] = 0.0
    capsys.readouterr()
    assert second.train() == 0
    out = capsys.readouterr().out
    assert f"{len(model.weights)} of {len(model.weights)} weights match" in out
    before, after = weights(tmp_path / "run", step), weights(tmp_path / "second", 1)
    moved = max(np.abs(after[name] - before[name]).max() for name in after)
    assert 0 < moved < 0.011  # one step of Adam at 0.01


def test_a_warm_start_lists_what_does_not_match(tmp_path, capsys):
    make(tmp_path / "run", 1).train()
    config = RunConfig(warm_start=str(tmp_path / "run"))
    capsys.readouterr()
    make(tmp_path / "wide", 1, width=32, config=config).train()
    out = capsys.readouterr().out
    assert "1 of 41 weights match" in out  # the bias of the logits
    assert "  left as it was: token_embedding/embeddings has the shape (12, 16) there" in out
    assert "  and 20 more" in out.splitlines()


def test_a_warm_start_from_nothing_is_refused(tmp_path):
    other = tf.train.Checkpoint(model={"other": tf.Variable(0)})
    other.write(str(tmp_path / "ckpt-1"))
    (tmp_path / "bad.keras").write_text("no archive")
    for source, message in (
        (tmp_path, "no weight of .* matches: .* is not there"),
        (tmp_path / "nothing", "is no run's directory with a checkpoint"),
        (tmp_path / "missing.keras", "there is no file"),
        (tmp_path / "bad.keras", "bad.keras"),
    ):
        with pytest.raises(UserError, match=message):
            make(tmp_path / "run", config=RunConfig(warm_start=str(source))).train()
    assert not (tmp_path / "run").exists()


def test_an_evaluation_is_made_once_however_often_the_run_is_started(tmp_path):
    settings = {"evaluation_interval": 2}
    assert make(tmp_path, **settings).train(max_steps=2) == 0  # as if stopped before it evaluated
    for _ in range(2):
        assert make(tmp_path, **settings).train_and_evaluate(max_steps=4) == 0
    assert [line["step"] for line in read_evaluations(tmp_path)] == [2, 4]


def test_wrong_arguments_are_refused_by_name(tmp_path):
    estimator = make(tmp_path)
    for max_steps in (0, -1, 1.5):
        with pytest.raises(UserError, match="max_steps must be an integer ≥ 1"):
            estimator.train(max_steps)
    for profile in ((3, 1), "1:2", 4):
        with pytest.raises(UserError, match="profile must be a pair"):
            estimator.train(profile=profile)
    assert not list(tmp_path.iterdir())
    estimator.train(max_steps=2)
    for name in ("batch_size", "num_batches"):
        with pytest.raises(UserError, match=r"must be an integer ≥ 1, got 0"):
            estimator.evaluate(**{name: 0})


def test_continuous_evaluation_of_another_model_is_refused_at_once(tmp_path):
    make(tmp_path).train(max_steps=6)
    with pytest.raises(UserError, match="width is 16 there and 32 now"):
        make(tmp_path, width=32).evaluate_continuously(timeout=0.1)


def test_a_warm_start_passes_over_a_torn_checkpoint(tmp_path, capsys):
    make(tmp_path / "run").train()
    (data,) = (tmp_path / "run").glob("ckpt-6.data*")
    data.write_bytes(data.read_bytes()[:100])
    config = RunConfig(warm_start=str(tmp_path / "run"))
    assert make(tmp_path / "second", 1, config=config).train() == 0
    captured = capsys.readouterr()
    assert "ckpt-6 is torn" in captured.err and "41 of 41 weights match" in captured.out


def test_keras_adafactor_goes_on_where_it_was(tmp_path):
    def of(name):
        made = make(tmp_path / name)
        made._run.experiment = Experiment(
            made._run.experiment.task,
            made._run.experiment.backbone,
            functools.partial(keras.optimizers.Adafactor, 0.01),
        )
        return made

    assert of("whole").train() == 0
    for max_steps in (2, None):
        assert of("resumed").train(max_steps) == 0
    expected, actual = (weights(tmp_path / name, 6) for name in ("whole", "resumed"))
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, name)
