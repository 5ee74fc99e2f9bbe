"""Latents, context and stride that are asked for, and those that follow from them."""

import pytest

import keras_perceiver_ar as kpar
from pipelines.errors import UserError
from pipelines.evaluation.settings import Settings
from tests.keras_perceiver_ar.support import no_weights


def backbone(**options):
    with no_weights():
        return kpar.models.PerceiverARBackbone(
            20, 16, 8, num_layers=1, width=8, num_heads=2, **options
        )


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, (8, 16, 8)),
        ({"num_latents": 16}, (16, 16, 16)),
        ({"stride": 1}, (8, 16, 1)),
        ({"context": 8}, (8, 8, 8)),
        ({"context": 6}, (6, 6, 6)),  # as many latents as there is room for
        ({"num_latents": 2, "context": 6, "stride": 2}, (2, 6, 2)),
    ],
)
def test_what_is_left_out_is_the_model_s(asked, wanted):
    assert Settings.of(backbone(), **asked) == wanted


def test_several_latents_of_a_position_score_one_target():
    two = backbone(latent_query=kpar.models.LatentQuery(latents_per_position=2))
    assert Settings.of(two) == (8, 16, 4)
    assert Settings.of(two, context=3) == (6, 3, 3)
    with pytest.raises(UserError, match=r"--stride must lie in 1 … 4 .* got 5"):
        Settings.of(two, stride=5)
    with pytest.raises(UserError, match="latents_per_position"):
        Settings.of(two, num_latents=3)


def test_every_combination():
    found = Settings.all_of(backbone(), num_latents=(2, 4), contexts=(8, 16))
    assert found == [(2, 8, 2), (2, 16, 2), (4, 8, 4), (4, 16, 4)]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"num_latents": 17}, r"--num_latents must lie in 1 … 16 \(the context\), got 17"),
        ({"num_latents": 0}, "--num_latents must lie in 1 … 16"),
        ({"num_latents": 2.5}, "--num_latents must be an integer"),
        ({"context": 17}, r"--context must lie in 1 … 16 \(the model's\), got 17"),
        ({"context": 0}, "--context must be an integer ≥ 1, got 0"),
        ({"stride": 9}, r"--stride must lie in 1 … 8 .* got 9"),
        ({"stride": 0}, "--stride must be an integer ≥ 1, got 0"),
        ({"num_latents": 8, "context": 4}, "--num_latents=8 does not fit --context=4"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(asked, named):
    with pytest.raises(UserError, match=named):
        Settings.of(backbone(), **asked)
