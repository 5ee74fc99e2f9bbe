"""Gradients of the original, computed in float64."""

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.golden.cases import HERE, Case
from tests.keras_perceiver_ar.support import value_and_gradient

TOLERANCE = 5e-6  # of each tensor's largest gradient


@pytest.mark.parametrize("name", ["a_abs_sinusoidal", "b_rotary_half"])
def test_gradients_of_every_weight(name):
    case = Case(name)
    model = kpar.convert.from_original(case.config, case.params)
    labels = model.latent_labels(case.inputs, case.figures("inputs")["targets"])
    loss = kpar.training.PerceiverARLoss(case.config["z_loss"], "sum")
    others = [variable.value for variable in model.non_trainable_variables]

    def total(weights):
        return loss(labels, model.stateless_call(weights, others, case.inputs)[0])

    value, gradients = value_and_gradient(
        total, [variable.value for variable in model.trainable_variables]
    )
    assert value == pytest.approx(float(case.figures("outputs")["scalar_total_loss"]), rel=1e-6)
    # Written into the model, the gradients come out under the original's names.
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        variable.assign(gradient)
    wanted = case.figures("grads_f64")
    compared = 0
    for key, gradient in kpar.convert.to_original(model).items():
        # The bias of the keys shifts all scores of a query alike: its gradient is 0 but for noise.
        if key.endswith("attention/linear_1/b") or "/embed_" in key:
            continue
        scale = np.abs(wanted[key]).max()
        assert scale > 0
        np.testing.assert_allclose(
            gradient, wanted[key], rtol=0, atol=TOLERANCE * scale, err_msg=key
        )
        compared += 1
    assert compared == 24 + 15 * model.backbone.num_layers


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
