"""Gradients of the original, computed in float64."""

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.golden.cases import HERE, Case
from tests.keras_perceiver_ar.support import value_and_gradient

TOLERANCE = 5e-6  # of each tensor's largest gradient
NAMES = sorted(path.parent.name for path in HERE.glob("*/grads_f64.npz"))


def gradients(model, case, loss):
    """Value of the loss, and its gradients under the original's names."""
    labels = model.latent_labels(case.inputs, case.figures("inputs")["targets"])
    others = [variable.value for variable in model.non_trainable_variables]

    def total(weights):
        return loss(labels, model.stateless_call(weights, others, case.inputs)[0])

    value, arrays = value_and_gradient(
        total, [variable.value for variable in model.trainable_variables]
    )
    # Written into the model, the gradients come out by name.
    for variable, gradient in zip(model.trainable_variables, arrays, strict=True):
        variable.assign(gradient)
    return value, kpar.convert.to_original(model)


def is_noise(name, model):
    """Whether the gradient of a weight is 0 but for rounding, or not taken.

    The bias of the keys shifts all scores of a query alike, but where rotary positions turn it.
    """
    embedding = model.backbone.position_embedding
    frozen = embedding is not None and not embedding.tables and "/embed_" in name
    return name.endswith("attention/linear_1/b") or frozen


@pytest.mark.parametrize(
    "name",
    [name if name[0] in "abf" else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_gradients_of_every_weight(name):
    case = Case(name)
    model = kpar.convert.from_original(case.config, case.params)
    loss = kpar.training.PerceiverARLoss(case.config["z_loss"], "sum")
    value, found = gradients(model, case, loss)
    assert value == pytest.approx(float(case.outputs["scalar_total_loss"]), rel=1e-6)
    wanted = case.figures("grads_f64")
    assert found.keys() == set(wanted)
    for key, gradient in found.items():
        if is_noise(key, model):
            continue
        scale = np.abs(wanted[key]).max()
        assert scale > 0
        np.testing.assert_allclose(
            gradient, wanted[key], rtol=0, atol=TOLERANCE * scale, err_msg=key
        )


@pytest.mark.parametrize("z_loss", [0.0, 0.0001])
def test_gradient_of_the_loss(z_loss):
    golden = np.load(HERE / "primitives.npz")
    labels = golden["ce_labels"]

    def total(arrays):
        return kpar.training.PerceiverARLoss(z_loss, "sum")(labels, arrays[0])

    _, (gradient,) = value_and_gradient(total, [golden["ce_logits"]])
    counts = labels > 0
    wanted = golden[f"ce_grad_z{z_loss}_ls0.0"][counts]
    np.testing.assert_allclose(gradient[counts], wanted, rtol=0, atol=3e-7)
    assert (gradient[~counts] == 0).all()
