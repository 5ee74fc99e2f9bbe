"""Latents of one position, there several times."""

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar.fused import few_rows
from tests.keras_perceiver_ar.support import BACKEND


def test_one_copy_where_there_is_no_gpu():
    assert few_rows.copies(1) == few_rows.copies(8) == 1


@pytest.mark.skipif(BACKEND != "jax", reason="other backends have no such products")
@pytest.mark.parametrize(("rows", "copies"), [(1, 8), (3, 3), (8, 1), (9, 1)])
def test_eight_rows_on_a_gpu(monkeypatch, rows, copies):
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert few_rows.copies(rows) == copies


@pytest.mark.parametrize("positions", ["rotary", "absolute", "rotary pixels"])
@pytest.mark.parametrize("latents_per_position", [1, 2])
def test_copies_change_nothing(monkeypatch, positions, latents_per_position):
    random = np.random.default_rng(0)
    inputs = {"token_ids": random.integers(3, 30, (2, 12), dtype="int32"), "lengths": [12, 3]}
    if positions == "rotary pixels":
        inputs["positions"] = random.integers(0, 6, (2, 36, 2))

    def make_positions():
        if "positions" not in inputs:
            return positions
        return kpar.layers.RotaryEmbedding(32, 1.0, num_index_dimensions=2)

    def generate():
        backbone = kpar.models.PerceiverARBackbone(
            vocab_size=30,
            max_context=48,
            num_latents=8,
            num_layers=2,
            width=16,
            num_heads=2,
            positions=make_positions(),
            latent_query=kpar.models.LatentQuery(latents_per_position=latents_per_position),
            seed=1,
        )
        model = kpar.models.PerceiverARCausalLM(backbone)
        # Beyond a refill: four or eight positions are held.
        return model.generate(inputs, 24, seed=5)

    plain = generate()
    asked = []
    monkeypatch.setattr(few_rows, "copies", lambda rows: asked.append(rows) or 4)
    copied = generate()
    assert set(asked) == {2 * latents_per_position}
    np.testing.assert_array_equal(copied["token_ids"], plain["token_ids"])
    np.testing.assert_allclose(copied["log_probs"], plain["log_probs"], atol=1e-5)
