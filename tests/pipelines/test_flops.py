"""Operations by formula, for models of any widths."""

import pytest

import keras_perceiver_ar as kpar
from pipelines import flops
from tests.keras_perceiver_ar.support import no_weights


def test_each_part_is_counted_by_hand():
    # Latents on inputs 4 and 5 read 5 and 6 of them; of themselves 1 and 2.
    assert flops.forward_flops(
        2, 6, 4, 3, 7, input_width=10, cross_width=8, mlp_factor=4, cross_mlp_factor=1.5
    ) == {
        "latents": 2 * 2 * 10 * 4,
        "cross_attend": 2 * (2 * 4 * 8) * 2 + 2 * (6 * 10 * 8) * 2 + 4 * 11 * 8 + 2 * 2 * 4 * 6 * 2,
        "stack": 3 * (4 * 2 * 2 * 16 + 4 * 3 * 4 + 2 * (2 * 2 * 4 * 16)),
        "logits": 2 * 2 * 4 * 7,
    }


@pytest.mark.parametrize(("masked", "wanted"), [(False, 3 + 4 + 5), (True, 15)])
def test_pairs(masked, wanted):
    assert flops.pairs(3, 5, masked) == wanted


def test_a_model_tells_its_own_sizes():
    cross = kpar.models.CrossAttend(num_heads=2, width=8, mlp_factor=2, after_layers=(0,))
    query = kpar.models.LatentQuery(latents_per_position=2)
    with no_weights():
        backbone = kpar.models.PerceiverARBackbone(
            *(20, 24, 4),
            num_layers=3,
            width=16,
            num_heads=4,
            input_width=12,
            cross_attend=cross,
            latent_query=query,
        )
        model = kpar.models.PerceiverARCausalLM(backbone)
    forward = flops.forward_flops(
        *(4, 24, 16, 3, 20),
        input_width=12,
        cross_width=8,
        cross_mlp_factor=2,
        cross_attends=2,
        positions=2,
    )
    assert flops.train_step_flops(model, rows=5) == 3 * 5 * sum(forward.values())
