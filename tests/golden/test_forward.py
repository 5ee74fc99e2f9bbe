"""The original's weights, inputs and results, through `kpar.convert.from_original`."""

import json

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar import masks
from tests.golden.cases import COMMITTED, HERE, SHARED, Case, shared_cases
from tests.keras_perceiver_ar.support import compiled, to_numpy

# Refused as long as the option has no counterpart here: the error must name it.
REFUSED = {
    "a3_abs_linear": "position_encoding='linear'",
    "e_fourier": "position_encoding='fourier'",
    "f_two_latents_per_position": "num_latents_per_position=2",
    "g_query_mlp": "initial_query_embed_style='mlp'",
    "h2_query_learned_shared": "initial_query_embed_style='learned'",
    "h_query_learned_unshared": "initial_query_embed_style='learned'",
    "i_query_offsetting_rotary": "initial_query_offsetting=True",
    "j_additional_cross": r"additional_cross_attend_after_layers=\[0, 2\]",
    "l4_no_query_residual": "encoder_use_query_residual=False",
    "l_no_initial_cross": "include_initial_cross_attention=False",
}
# Chunks and head groups of the original go wrong here, silently. Right is what it gives without.
WRONG = {
    "k3_chunked_key_not_dividing": "a_abs_sinusoidal",
    "k6_rotary_head_groups": "c_rotary_quarter_terminal",
}


def check_forward(case, outputs):
    model = kpar.convert.from_original(case.config, case.params)
    logits = compiled(model)(case.inputs)
    np.testing.assert_allclose(logits, outputs["logits"], rtol=0, atol=3e-5)

    lengths = masks.sequence_lengths(case.inputs["token_ids"])
    steps = masks.latent_steps(lengths, model.backbone.num_latents)
    assert (to_numpy(steps) == outputs["latent_last_steps"]).all()

    labels = model.latent_labels(case.inputs, case.figures("inputs")["targets"])
    assert ((to_numpy(labels) > 0) == outputs["loss_mask"]).all()
    seated = to_numpy(steps) >= 0
    assert (to_numpy(labels) == np.where(seated, outputs["labels"], 0)).all()
    cross_entropy, z_loss = (
        to_numpy(part)
        for part in kpar.training.token_loss(labels, outputs["logits"], case.config["z_loss"])
    )
    for part, wanted in (
        (cross_entropy + z_loss, "loss_per_position"),
        (z_loss, "z_loss_per_position"),
    ):
        np.testing.assert_allclose(part, outputs[wanted], rtol=1e-6, atol=1e-6, err_msg=wanted)
    own = kpar.training.PerceiverARLoss(case.config["z_loss"], "sum")(labels, logits)
    assert float(own) == pytest.approx(float(outputs["scalar_total_loss"]), rel=1e-6)
    return model, to_numpy(steps)


def check_round_trip(model, params):
    """What `to_original` writes is what `from_original` read; frozen tables are made anew."""
    written = kpar.convert.to_original(model)
    assert written.keys() == params.keys()
    frozen = model.backbone.position_embedding and not model.backbone.position_embedding.tables
    for name, array in params.items():
        atol = 8e-6 if frozen and "/embed_" in name else 0
        np.testing.assert_allclose(written[name], array, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("name", COMMITTED)
def test_logits_loss_masks_and_weights_are_the_original_s(name):
    case = Case(name)
    outputs = case.figures("outputs")
    model, steps = check_forward(case, outputs)
    num_inputs = case.inputs["token_ids"].shape[1]
    cross = to_numpy(masks.cross_attention_mask(steps, num_inputs))
    assert (cross == outputs["encoder_mask"][:, 0]).all()
    assert (to_numpy(masks.latent_attention_mask(steps)) == outputs["processor_mask"][:, 0]).all()
    check_round_trip(model, case.params)


@pytest.mark.parametrize(
    "name", [name for name in shared_cases() if name not in {*COMMITTED, *REFUSED, *WRONG}]
)
def test_cases_beside_the_clone(shared, name):
    case = Case(name, SHARED)
    model, _ = check_forward(case, case.figures("outputs"))
    check_round_trip(model, case.params)


@pytest.mark.parametrize("name", COMMITTED)
def test_copies_are_those_beside_the_clone(shared, name):
    for file in (HERE / name).glob("*.npz"):
        original = np.load(SHARED / name / file.name)
        assert all((copy == original[key]).all() for key, copy in np.load(file).items())
    original = json.loads((SHARED / name / "config.json").read_text())
    assert all(original[key] == value for key, value in Case(name).config.items())


@pytest.mark.parametrize("name", [name for name in shared_cases() if name in REFUSED])
def test_options_without_a_counterpart_are_refused(shared, name):
    case = Case(name, SHARED)
    with pytest.raises(ValueError, match=f"not supported yet: .*{REFUSED[name]}"):
        kpar.convert.from_original(case.config, case.params)


@pytest.mark.parametrize("name", [name for name in shared_cases() if name in WRONG])
def test_errors_of_the_original_are_not_repeated(shared, name):
    case, right = Case(name, SHARED), Case(WRONG[name])
    assert case.params_from == WRONG[name]
    logits = compiled(kpar.convert.from_original(case.config, case.params))(right.inputs)
    np.testing.assert_allclose(logits, right.figures("outputs")["logits"], rtol=0, atol=3e-5)
