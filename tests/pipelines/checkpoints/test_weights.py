import gc
import json
import logging
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines import checkpoints
from pipelines.data import CopyTask
from pipelines.errors import UserError
from tests.pipelines import runs

RUN = CopyTask(length=12), keras.optimizers.Adam()


def make_model(**settings):
    # Learned positions, dropout and several blocks: everything that can own a variable.
    sizes = {"num_layers": 3, "width": 16, "num_heads": 2, "positions": "learned", "dropout": 0.1}
    backbone = kpar.models.PerceiverARBackbone(19, 12, 4, **(sizes | settings))
    return kpar.models.PerceiverARCausalLM(backbone)


def make_optimizer(model):
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    return optimizer


def restored(optimizer):
    return [variable for variable in optimizer.variables if "learning_rate" not in variable.path]


def fill(variables, start):
    for number, variable in enumerate(variables, start):
        variable.assign(np.full(variable.shape, number % 100, variable.dtype))


def test_a_checkpoint_holds_every_weight_of_model_and_optimizer(tmp_path):
    # `weights` and not `variables`: the seed generators' states are left out on purpose.
    model, step = make_model(), tf.Variable(7, dtype=tf.int64)
    optimizer = make_optimizer(model)
    fill(model.weights, 1)
    fill(optimizer.variables, 2)
    path = checkpoints.make_checkpoint(model, optimizer, step).save(str(tmp_path / "ckpt"))
    kept = [
        shape
        for name, shape in tf.train.list_variables(path)
        if "VARIABLE_VALUE" in name and not name.startswith("save_counter/")  # TensorFlow's own
    ]
    # Less the constant learning rate, which the configuration says.
    assert len(kept) == len(model.weights) + len(optimizer.variables) - 1 + 1
    assert sum(np.prod(shape) for shape in kept) == sum(
        np.prod(variable.shape) for variable in (*model.weights, *optimizer.variables)
    )

    # A second model and optimizer of one process have other names, not other variables.
    other, other_step = make_model(), tf.Variable(0, dtype=tf.int64)
    other_optimizer = make_optimizer(other)
    checkpoint = checkpoints.make_checkpoint(other, other_optimizer, other_step)
    checkpoint.restore(path).assert_consumed()
    assert int(other_step) == 7
    pairs = zip(
        [*model.weights, *restored(optimizer)],
        [*other.weights, *restored(other_optimizer)],
        strict=True,
    )
    for expected, actual in pairs:
        np.testing.assert_array_equal(actual.numpy(), expected.numpy(), expected.path)


def save(model_dir, model, step):
    manager = tf.train.CheckpointManager(
        checkpoints.make_checkpoint(model, make_optimizer(model)), model_dir, max_to_keep=9
    )
    return manager.save(step)


def test_weights_come_from_the_newest_checkpoint_or_the_one_asked_for(tmp_path):
    model = make_model(dropout=0.0)
    for step in (3, 10):
        fill(model.weights, step)
        save(tmp_path, model, step)
    other = make_model(dropout=0.0)
    for asked, step in ((None, 10), (3, 3)):
        assert checkpoints.restore_weights(str(tmp_path), other, asked) == step
        fill(model.weights, step)
        for expected, actual in zip(model.weights, other.weights, strict=True):
            np.testing.assert_array_equal(actual.numpy(), expected.numpy(), expected.path)


def test_of_a_torn_checkpoint_one_error_tells(tmp_path):
    model, said = make_model(), []
    path = save(tmp_path, model, 3)
    data = tmp_path / "ckpt-3.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[:200] = bytes(byte ^ 255 for byte in content[:200])  # of the first values alone
    data.write_bytes(content)
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("tensorflow").addHandler(handler)
    try:
        with pytest.raises(UserError, match=f"no checkpoint .*{path}.: bring a copy back$"):
            checkpoints.restore_weights(str(tmp_path), model)
        with pytest.raises(UserError, match="is torn"):
            checkpoints.restore_weights(str(tmp_path), model, 3)
        gc.collect()  # TensorFlow speaks where it forgets
    finally:
        logging.getLogger("tensorflow").removeHandler(handler)
    assert said == []


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no checkpoint: train first"):
        checkpoints.restore_weights(str(tmp_path), make_model())
    save(tmp_path, make_model(), 3)
    with pytest.raises(UserError, match=r"holds no checkpoint of step 4"):
        checkpoints.restore_weights(str(tmp_path), make_model(), 4)


def test_weights_of_another_shape_are_refused_and_stay(tmp_path):
    save(tmp_path, make_model(dropout=0.0), 3)
    before = runs.fingerprints(tmp_path)
    with pytest.raises(UserError, match=r"ckpt-3.*\(16,\).*\(32,\)"):
        checkpoints.restore_weights(str(tmp_path), make_model(dropout=0.0, width=32))
    with pytest.raises(UserError, match="ckpt-3.*latent_block_3"):
        checkpoints.restore_weights(str(tmp_path), make_model(dropout=0.0, num_layers=4))
    assert runs.fingerprints(tmp_path) == before


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"width": 32}, "width is 16 there and 32 now"),
        ({"num_heads": 4}, "num_heads is 2 there and 4 now"),
        ({"num_layers": 2}, "num_layers is 3 there and 2 now"),
        ({"positions": "rotary"}, "positions is 'learned' there and 'rotary' now"),
        ({"activation": "gelu"}, "activation is .* there and 'gelu' now"),
    ],
)
def test_the_directory_of_another_model_is_refused_and_left_alone(tmp_path, changed, named):
    checkpoints.describe_model(str(tmp_path), make_model(), *RUN)
    checkpoints.check_model(str(tmp_path), make_model(**changed), *RUN)  # nothing to lose yet
    save(tmp_path, make_model(), 3)
    before = runs.fingerprints(tmp_path)
    with pytest.raises(UserError, match=named):
        checkpoints.check_model(str(tmp_path), make_model(**changed), *RUN)
    assert runs.fingerprints(tmp_path) == before


def on_data(fingerprint, **codec):
    """A model and the task that it was made for."""
    model = make_model()
    model.codec_settings = json.dumps(codec) if codec else None
    return model, types.SimpleNamespace(fingerprint=fingerprint), RUN[1]


def test_training_does_not_go_on_with_other_data(tmp_path):
    checkpoints.describe_model(str(tmp_path), *on_data("a", name="bytes"))
    save(tmp_path, make_model(), 3)
    checkpoints.check_model(str(tmp_path), *on_data("a", name="bytes"))
    with pytest.raises(UserError, match="other shards .data is 'a' there and 'b' now"):
        checkpoints.check_model(str(tmp_path), *on_data("b", name="bytes"))
    # To measure it on others is another matter.
    assert checkpoints.restore_weights(str(tmp_path), on_data("b", name="bytes")[0]) == 3


def test_ids_of_another_codec_are_never_read(tmp_path):
    checkpoints.describe_model(str(tmp_path), *on_data("a", name="sentencepiece", sha256="12"))
    save(tmp_path, make_model(), 3)
    others = on_data("a", name="sentencepiece", sha256="34")
    message = "another codec .codec.sha256 is '12' there and '34' now"
    with pytest.raises(UserError, match=message):
        checkpoints.check_model(str(tmp_path), *others)
    with pytest.raises(UserError, match=message):
        checkpoints.restore_weights(str(tmp_path), others[0])


def test_a_run_that_did_not_keep_its_data_goes_on(tmp_path):
    checkpoints.describe_model(str(tmp_path), *on_data("a", name="bytes"))
    save(tmp_path, make_model(), 3)
    path = tmp_path / "model.json"
    kept = json.loads(path.read_text())
    for missing in ("data", "codec"):
        del kept[missing]
    path.write_text(json.dumps(kept))
    checkpoints.check_model(str(tmp_path), *on_data("b", name="performance"))


def test_a_run_may_go_on_with_other_dropout_and_latents(tmp_path):
    checkpoints.describe_model(str(tmp_path), make_model(), *RUN)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    changed = make_model(dropout=0.5)
    changed.backbone.num_latents = 2
    checkpoints.check_model(str(tmp_path), changed, *RUN)


def test_weights_do_not_depend_on_the_dropout_they_were_trained_with(tmp_path):
    save(tmp_path, make_model(dropout=0.0), 3)
    assert checkpoints.restore_weights(str(tmp_path), make_model(dropout=0.5)) == 3
