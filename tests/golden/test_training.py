"""Training as the original did it: gradients, and what some steps make of the weights."""

import functools
import json

import keras
import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.golden.cases import HERE, Case
from tests.keras_perceiver_ar.support import BACKEND, JIT, to_numpy

FOLDER = HERE / "training"
GRADIENT_TOLERANCE = 5e-6  # of each tensor's largest gradient
# Of the weights. In float32 the original itself differs from its float64 by 1.5e-6 with Adam; of
# the others there are float32 numbers alone, and steps of LAMB are as long as the weights.
TOLERANCES = {"adam": 3e-6, "sgd": 1e-6, "lamb": 1e-5, "adafactor": 1e-5}
STEPS = {"adam": 20, "sgd": 6, "lamb": 6, "adafactor": 6}


def batches():
    """The twenty batches of all trajectories: inputs, and the input after each."""
    stored = np.load(FOLDER / "batches.npz")
    for events, positions in zip(stored["events"], stored["event_idxs"][..., 0]):
        last = (np.arange(len(events)), (events != 0).sum(-1) - 1)
        inputs, places = events.copy(), positions.copy()
        inputs[last] = places[last] = 0
        yield {"token_ids": inputs[:, :-1], "positions": places[:, :-1]}, events[:, 1:]


def make_optimizer(name, **options):
    """The optimizer of a trajectory."""
    rate = kpar.training.ConstantWithWarmup(1e-2, warmup_steps=2)
    if name == "adam":
        rate = kpar.training.CosineWithWarmup(
            3e-3, training_steps=20, warmup_steps=5, end_learning_rate=1e-4, parity=True
        )
    cls = {
        "adam": kpar.training.OptaxAdam,
        "sgd": kpar.training.OptaxSGD,
        "lamb": kpar.training.OptaxLamb,
        "adafactor": kpar.training.OptaxAdafactor,
    }[name]
    return cls(rate, global_clipnorm=1.0, **options)


def compared(names):
    """Of names of weights those of which there is more than noise to compare.

    The bias of the keys shifts all scores of a query alike: its gradient is 0 but for rounding, of
    which Adam makes steps. The frozen position tables stay.
    """
    return [name for name in names if not (name.endswith("linear_1/b") and "attention" in name)]


def check_weights(weights, golden, tolerance):
    names = compared(golden)
    assert len(names) > 15
    for name in names:
        np.testing.assert_allclose(
            weights[name], golden[name], rtol=0, atol=tolerance, err_msg=name
        )


def differentiated(function):
    """`function(weights, *others)` as a compiled function that returns its gradient as well."""
    if BACKEND == "jax":
        import jax

        return jax.jit(jax.value_and_grad(function))
    import tensorflow as tf

    @tf.function(autograph=False)
    def both(weights, *others):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            value = function(weights, *others)
        return value, [tf.convert_to_tensor(part) for part in tape.gradient(value, weights)]

    return both


def loss_of(model, loss):
    """The loss as a function of the weights, of inputs and of labels."""

    def total(weights, inputs, labels):
        others = [variable.value for variable in model.non_trainable_variables]
        logits, _ = model.stateless_call(weights, others, inputs)
        return loss(model.latent_labels(inputs, labels), logits)

    return total


def values(variables):
    return [keras.ops.convert_to_tensor(variable) for variable in variables]


def check_gradients(case, golden, z_loss, label_smoothing):
    model = kpar.convert.from_original(case.config, case.params)
    loss = kpar.training.PerceiverARLoss(z_loss, "sum", label_smoothing)
    labels = case.figures("inputs")["targets"]
    _, gradients = differentiated(loss_of(model, loss))(
        values(model.trainable_variables), case.inputs, labels
    )
    # Written into the model, the gradients come out under the original's names.
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        variable.assign(gradient)
    found = kpar.convert.to_original(model)
    names = [name for name in compared(golden) if "/embed_" not in name]
    assert len(names) > 30
    for name in names:
        scale = np.abs(golden[name]).max()
        assert scale > 0
        np.testing.assert_allclose(
            found[name], golden[name], rtol=0, atol=GRADIENT_TOLERANCE * scale, err_msg=name
        )


@pytest.mark.slow
def test_gradients_with_label_smoothing():
    case = Case("a_abs_sinusoidal")
    check_gradients(case, case.figures("grads_z1e-4_ls0.1_f64"), 1e-4, 0.1)


@pytest.mark.parametrize("name", ["a_abs_sinusoidal", "b_rotary_half"])
@pytest.mark.parametrize(
    ("file", "z_loss", "label_smoothing"),
    [("grads_z0", 0.0, 0.0), ("grads_z1e-2", 1e-2, 0.0), ("grads_z1e-4_ls0.1", 1e-4, 0.1)],
)
def test_gradients_with_other_losses(shared, name, file, z_loss, label_smoothing):
    case = Case(name, shared / "golden")
    check_gradients(case, case.figures(f"{file}_f64"), z_loss, label_smoothing)


@functools.cache
def trained(name):
    """The weights after a trajectory under the original's names, and the log of its steps."""
    case = Case("a_abs_sinusoidal")
    model = kpar.convert.from_original(case.config, case.params)
    optimizer = make_optimizer(name)
    optimizer.build(model.trainable_variables)
    loss = kpar.training.PerceiverARLoss(case.config["z_loss"], "sum")
    step = differentiated(loss_of(model, loss))
    log = {"total_loss": [], "learning_rate": [], "gradient_norm": []}
    for inputs, labels in list(batches())[: STEPS[name]]:
        value, gradients = step(values(model.trainable_variables), inputs, labels)
        squares = [np.square(to_numpy(part).astype("float64")).sum() for part in gradients]
        log["total_loss"].append(float(value))
        log["learning_rate"].append(float(to_numpy(optimizer.learning_rate)))
        log["gradient_norm"].append(np.sqrt(sum(squares)))
        optimizer.apply(gradients)
    return kpar.convert.to_original(model), log


@pytest.mark.parametrize("name", STEPS)
def test_weights_and_log_of_every_step(name):
    weights, log = trained(name)
    wanted = json.loads((FOLDER / "logs.json").read_text())[name]
    for key, numbers in log.items():
        np.testing.assert_allclose(numbers, wanted[key], rtol=1e-6, atol=0, err_msg=key)
    check_weights(weights, np.load(FOLDER / f"{name}_{STEPS[name]}_steps.npz"), TOLERANCES[name])


@pytest.mark.parametrize("name", ["sgd", "lamb", "adafactor"])
def test_the_weights_that_the_copies_leave_out(shared, name):
    golden = np.load(shared / "golden" / "p_train" / f"other_{name}_params_after_6.npz")
    check_weights(trained(name)[0], golden, TOLERANCES[name])


def test_compile_and_train_on_batch_take_the_same_steps():
    case = Case("a_abs_sinusoidal")
    model = kpar.convert.from_original(case.config, case.params)
    loss = kpar.training.PerceiverARLoss(case.config["z_loss"], "sum")
    model.compile(make_optimizer("adam"), loss=loss, jit_compile=JIT)
    losses = []
    for inputs, labels in batches():
        losses.append(model.train_on_batch(inputs, labels))
        model.reset_metrics()
    wanted = json.loads((FOLDER / "logs.json").read_text())["adam"]["total_loss"]
    np.testing.assert_allclose(np.ravel(losses), wanted, rtol=1e-6)
    golden = np.load(FOLDER / "adam_20_steps.npz")
    check_weights(kpar.convert.to_original(model), golden, TOLERANCES["adam"])
