import numpy as np
import pytest

import keras_perceiver_ar as kpar
from pipelines.errors import UserError
from pipelines.experiment import sampling


def test_what_is_drawn_is_drawn_once(tmp_path):
    drawn = []

    def draw():
        drawn.append(1)
        return np.arange(6, dtype=np.int32).reshape(2, 3)

    for _ in range(2):
        found = sampling.kept(tmp_path / "x_samples.npy", draw)
        assert found.tolist() == [[0, 1, 2], [3, 4, 5]] and found.dtype == np.int32
    assert len(drawn) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["x_samples.npy"]


def test_a_torn_file_is_named(tmp_path):
    path = tmp_path / "x_samples.npy"
    sampling.kept(path, lambda: np.arange(6))
    content = path.read_bytes()
    for size in (0, 5, 140):
        path.write_bytes(content[:size])
        with pytest.raises(UserError, match=r"x_samples\.npy' is torn: remove it"):
            sampling.kept(path, lambda: pytest.fail("drew again"))


def test_a_draw_that_fails_leaves_nothing(tmp_path):
    def fail():
        raise UserError("no")

    with pytest.raises(UserError):
        sampling.kept(tmp_path / "x_samples.npy", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("numbers", "named"), [((-1.0, 1.0), "temperature"), ((1.0, 2.0), "top_p"), (("x", 1), "temp")]
)
def test_samplers_that_cannot_be(numbers, named):
    with pytest.raises(UserError, match=named):
        sampling.make_sampler(*numbers)


def test_a_row_is_drawn_alike_whatever_is_beside_it():
    backbone = kpar.models.PerceiverARBackbone(
        20, max_context=12, num_latents=4, num_layers=1, width=16, num_heads=2, seed=0
    )
    model = kpar.models.PerceiverARCausalLM(backbone, zero_logits=False)
    sampler = sampling.make_sampler(1.0, 0.95)
    prompts = np.array([[2, 5], [2, 6], [2, 7]], np.int32)
    drawn = sampling.draw(model, prompts, 6, sampler, (kpar.generation.DataMask(20),))
    assert drawn.shape == (3, 8) and drawn.dtype == np.int32
    assert np.array_equal(drawn[:, :2], prompts) and (drawn >= 3).sum() == 21  # all but SOS
    first = sampling.draw(model, prompts[:1], 6, sampler, (kpar.generation.DataMask(20),))
    assert np.array_equal(first, drawn[:1])


def test_more_than_there_is_room_for_is_refused():
    backbone = kpar.models.PerceiverARBackbone(
        20, max_context=4, num_latents=2, num_layers=1, width=16, num_heads=2
    )
    model = kpar.models.PerceiverARCausalLM(backbone)
    with pytest.raises(UserError, match="max_new_tokens"):
        sampling.draw(model, np.full((1, 1), 2, np.int32), 9, sampling.make_sampler(1, 1), ())
