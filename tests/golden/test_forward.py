"""The original's weights, inputs and results, through `kpar.convert.from_original`."""

import json

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar import masks
from tests.golden.cases import COMMITTED, HERE, SHARED, WRONG, Case, shared_cases
from tests.keras_perceiver_ar.support import compiled, to_numpy


@pytest.fixture(scope="module", params=COMMITTED)
def case(request):
    case = Case(request.param)
    case.model = kpar.convert.from_original(case.config, case.params)
    return case


def check_logits(case, model):
    logits = compiled(model)(case.inputs)
    np.testing.assert_allclose(logits, case.outputs["logits"], rtol=0, atol=3e-5)
    return logits


def seats(case):
    """The steps of the latents, one for each position."""
    lengths = masks.sequence_lengths(case.inputs["token_ids"])
    backbone = case.model.backbone
    return masks.latent_steps(lengths, backbone.num_positions())


def test_logits_and_loss(case):
    logits, outputs = check_logits(case, case.model), case.outputs
    labels = case.model.latent_labels(case.inputs, case.figures("inputs")["targets"])
    own = kpar.training.PerceiverARLoss(case.config["z_loss"], "sum")(labels, logits)
    assert float(own) == pytest.approx(float(outputs["scalar_total_loss"]), rel=1e-6)


def test_positions_of_the_latents_and_labels(case):
    outputs, steps = case.outputs, to_numpy(seats(case))
    assert (steps == outputs["latent_last_steps"]).all()
    labels = case.model.latent_labels(case.inputs, case.figures("inputs")["targets"])
    labels = to_numpy(labels)
    assert ((labels > 0) == outputs["loss_mask"]).all()
    assert (labels == np.where(steps >= 0, outputs["labels"], 0)).all()


def test_loss_of_each_position(case):
    outputs = case.outputs
    labels = case.model.latent_labels(case.inputs, case.figures("inputs")["targets"])
    parts = kpar.training.token_loss(labels, outputs["logits"], case.config["z_loss"])
    cross_entropy, z_loss = (to_numpy(part) for part in parts)
    for part, wanted in (
        (cross_entropy + z_loss, "loss_per_position"),
        (z_loss, "z_loss_per_position"),
    ):
        np.testing.assert_allclose(part, outputs[wanted], rtol=1e-6, atol=1e-6, err_msg=wanted)


def test_masks(case):
    if "encoder_mask" not in case.outputs:  # of one latent the original makes none
        assert case.model.backbone.num_latents == 1
        return
    steps = masks.repeat_latents(seats(case), case.model.backbone.latents_per_position)
    cross = masks.cross_attention_mask(steps, case.inputs["token_ids"].shape[1]).dense()
    assert (to_numpy(cross) == case.outputs["encoder_mask"][:, 0]).all()
    latent = masks.latent_attention_mask(steps).dense()
    assert (to_numpy(latent) == case.outputs["processor_mask"][:, 0]).all()


def test_weights_go_there_and_back(case):
    written = kpar.convert.to_original(case.model)
    assert written.keys() == case.params.keys()
    embedding = case.model.backbone.position_embedding
    for name, array in case.params.items():
        # Frozen tables are made anew; the original's angles are float32.
        frozen = embedding is not None and not embedding.tables and "/embed_" in name
        np.testing.assert_allclose(
            written[name], array, rtol=0, atol=1e-5 if frozen else 0, err_msg=name
        )


@pytest.mark.parametrize("name", sorted(WRONG))
def test_errors_of_the_original_are_not_repeated(name):
    wrong = Case(name).figures("outputs")["logits"]
    assert np.abs(wrong - Case(name).outputs["logits"]).max() > 0.5


def test_every_case_beside_the_clone_is_here(shared):
    # Left out are those that hold the original's inputs but nothing it made of them.
    assert set(shared_cases()) == set(COMMITTED)
    for name in COMMITTED:
        for file in (HERE / name).glob("*.npz"):
            original = np.load(SHARED / name / file.name)
            assert all((copy == original[key]).all() for key, copy in np.load(file).items())
        original = json.loads((SHARED / name / "config.json").read_text())
        assert all(original[key] == value for key, value in Case(name).config.items())
