"""The plain NumPy forward against the figures of the original, and where there are none.

It is the yardstick for what has no figures, so nothing of the package is imported here.
"""

import numpy as np
import pytest

from tests.golden import numpy_forward
from tests.golden.cases import COMMITTED, HERE, Case
from tests.golden.numpy_forward import forward

TABLE = "perceiver_ar/~/embed_1/embeddings"
CODE = "perceiver_ar/~/z_pos_enc/pos_embs"
LEARNED = "perceiver_ar/q_embed_learned"


class Recorder(dict):
    """Remembers which entries were read."""

    def __init__(self, entries):
        super().__init__(entries)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)


def run(case, params=None, shift=0, **options):
    """The case's own inputs through its configuration, changed in the named options."""
    config = {**case.config, "model_kwargs": {**case.config["model_kwargs"], **options}}
    inputs = case.inputs
    params = case.params if params is None else params
    return forward(config, params, inputs["token_ids"], inputs["positions"] + shift)


def check_figures(case, outputs):
    params = Recorder(case.params)
    made = run(case, params)
    assert params.read == params.keys()
    assert made["logits"].dtype == "float64"
    # The figures are float32: 1.2e-5 is how far they are from the original's own float64.
    np.testing.assert_allclose(made["logits"], outputs["logits"], rtol=0, atol=2e-5)
    assert (made["latent_last_steps"] == outputs["latent_last_steps"]).all()
    if "encoder_mask" in outputs:
        assert (made["encoder_mask"] == outputs["encoder_mask"][:, 0]).all()
        assert (made["processor_mask"] == outputs["processor_mask"][:, 0]).all()
    else:
        assert made["encoder_mask"] is None
        assert made["processor_mask"].all()


@pytest.mark.parametrize("name", COMMITTED)
def test_every_case(name):
    case = Case(name)
    check_figures(case, case.outputs)


PRIMITIVES = dict(np.load(HERE / "primitives.npz"))


@pytest.mark.parametrize("name", ["sq_relu", "gelu", "relu", "silu"])
def test_activations(name):
    made = numpy_forward.ACTIVATIONS[name](PRIMITIVES["act_x"].astype("float64"))
    np.testing.assert_allclose(made, PRIMITIVES[f"act_{name}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("fractions", ["1.0_1.0", "0.5_1.0", "0.25_0.5", "0.4_0.8"])
def test_rotation(fractions):
    channels, heads = map(float, fractions.split("_"))
    options = {
        "position_encoding_type": "rotary",
        "max_wavelength": 64,
        "initial_query_offsetting": False,
        "fraction_to_rotate": channels,
        "fraction_heads_to_rotate": heads,
    }
    rotate = numpy_forward.rotation(options, PRIMITIVES["rot_pos"][..., None])
    made = rotate(PRIMITIVES["rot_x"].astype("float64"))
    np.testing.assert_allclose(made, PRIMITIVES[f"rot_out_{fractions}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("num_latents", [4, 6])
def test_lengths_positions_and_masks_of_rows_that_end_anywhere(num_latents):
    ids = PRIMITIVES["seqs"]
    assert (numpy_forward.sequence_lengths(ids) == PRIMITIVES["seq_len"]).all()
    relative = numpy_forward.terminal_relative_positions(ids)
    assert (relative == PRIMITIVES["terminal_relative"]).all()
    steps = numpy_forward.latent_last_steps(ids, num_latents)
    assert (steps == PRIMITIVES[f"mask_steps_{num_latents}_1"]).all()
    cross = numpy_forward.cross_attend_mask(steps, ids)
    assert (cross == PRIMITIVES[f"mask_enc_{num_latents}_1"][:, 0]).all()
    latent = numpy_forward.latent_mask(steps)
    assert (latent == PRIMITIVES[f"mask_proc_{num_latents}_1"][:, 0]).all()


def same(one, other):
    """All results alike but for rounding in float64."""
    assert one.keys() == other.keys()
    for key, array in one.items():
        np.testing.assert_allclose(array, other[key], rtol=0, atol=1e-9, err_msg=key)


@pytest.mark.parametrize(
    "options",
    [
        {"chunked_cross_attention": True, "chunked_cross_query_size": 5},
        {"chunked_cross_attention": True, "chunked_cross_key_size": 7},
        {"cross_attention_head_group_size": 2},
    ],
)
@pytest.mark.parametrize("name", ["a_abs_sinusoidal", "c_rotary_quarter_terminal"])
def test_chunks_and_head_groups_change_nothing(name, options):
    case = Case(name)
    same(run(case, **options), run(case))


@pytest.mark.parametrize("name", ["a_abs_sinusoidal", "b_rotary_half", "c_rotary_quarter_terminal"])
def test_two_latents_that_are_alike_are_as_good_as_one(name):
    case = Case(name)
    width = case.config["model_kwargs"]["num_z_channels"]
    alike = {**case.params, CODE: np.zeros((2, width))}
    pairs = run(case, alike, z_index_dim=16, num_latents_per_position=2)
    single = run(case, z_index_dim=8)
    np.testing.assert_allclose(pairs["logits"], single["logits"], rtol=0, atol=1e-9)
    assert (pairs["latent_last_steps"] == single["latent_last_steps"]).all()
    assert (pairs["encoder_mask"] == single["encoder_mask"].repeat(2, axis=1)).all()
    # The code tells them apart.
    apart = {**case.params, CODE: np.linspace(-1, 1, 2 * width).reshape(2, width)}
    differing = run(case, apart, z_index_dim=16, num_latents_per_position=2)
    assert np.abs(differing["logits"] - single["logits"]).max() > 1e-2


@pytest.mark.parametrize("share", [False, True])
def test_learned_queries_of_two_latents_have_their_own_rows_unless_shared(share):
    case = Case("b_rotary_half")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1 if share else 8, 32))
    code = rng.normal(size=(2, 32))
    style = {"initial_query_embed_style": "learned", "share_learned_initial_query": share}
    single = run(case, {**case.params, LEARNED: rows}, z_index_dim=8, **style)
    two = {"z_index_dim": 16, "num_latents_per_position": 2, **style}
    alike = rows if share else rows.repeat(2, axis=0)
    pairs = run(case, {**case.params, LEARNED: alike, CODE: np.zeros((2, 32))}, **two)
    np.testing.assert_allclose(pairs["logits"], single["logits"], rtol=0, atol=1e-9)
    # With rows of their own, the code might as well be part of them.
    coded = run(case, {**case.params, LEARNED: alike, CODE: code}, **two)
    if share:
        assert np.abs(coded["logits"] - pairs["logits"]).max() > 1e-2
    else:
        merged = {LEARNED: alike + np.tile(code, (8, 1)), CODE: np.zeros((2, 32))}
        same(run(case, {**case.params, **merged}, **two), coded)


def test_an_offset_query_starts_from_the_next_row_and_only_the_query():
    case = Case("a_abs_sinusoidal")
    offset = {"initial_query_offsetting": True}
    # Latents that read no inputs differ from those of later positions in nothing else.
    alone = {"include_initial_cross_attention": False}
    same(run(case, **offset, **alone), run(case, shift=1, **alone))
    # Those that do read inputs find them where they were.
    asked = run(case, **offset)["logits"]
    assert np.abs(asked - run(case)["logits"]).max() > 1e-2
    assert np.abs(asked - run(case, shift=1)["logits"]).max() > 1e-2


def test_negative_positions_turn_the_other_way():
    case = Case("c_rotary_quarter_terminal")
    # Turning all the other way is what reading the positions from the left does.
    negative = run(case, use_negative_rotary_positions=True)
    from_data = run(case, use_positions_from_data=True)
    same(negative, from_data)
    assert np.abs(negative["logits"] - run(case)["logits"]).max() > 1e-2


def test_positions_beyond_a_table_have_its_last_row():
    case = Case("a_abs_sinusoidal")
    short = case.params[TABLE][:20]
    long = np.concatenate([short, short[-1:].repeat(14, axis=0)])
    offset = {"initial_query_offsetting": True}
    same(
        run(case, {**case.params, TABLE: short}, **offset),
        run(case, {**case.params, TABLE: long}, **offset),
    )


def test_a_query_mlp_has_its_own_activation_and_comes_after_the_projection():
    case = Case("b_rotary_half")
    projection = {name: case.params[f"perceiver_ar/~/linear/{name}"] for name in "wb"}
    params = dict(case.params)
    for layer, (w, b) in enumerate([(np.eye(32), 100), (2 * np.eye(32), 0), projection.values()]):
        path = f"perceiver_ar/~/linear_{layer}" if layer else "perceiver_ar/~/linear"
        params |= {f"{path}/w": w, f"{path}/b": np.broadcast_to(b, 32)}
    # What is positive passes a relu, but not the squared one of the blocks.
    style = {"initial_query_embed_style": "mlp", "initial_query_embed_activation_name": "relu"}
    plain = {"w": 2 * projection["w"], "b": 2 * (projection["b"].astype("float64") + 100)}
    plain = {f"perceiver_ar/~/linear/{name}": array for name, array in plain.items()}
    same(run(case, params, **style), run(case, {**case.params, **plain}))


def test_a_rotary_offset_turns_only_the_queries_of_the_cross_attend():
    case = Case("b_rotary_half")
    # Without inputs there is nothing that the latents could be offset from, but the wavelength.
    alone = {"include_initial_cross_attention": False}
    longer = case.config["model_kwargs"]["max_wavelength"] + 1
    offset = {"initial_query_offsetting": True}
    same(run(case, **offset, **alone), run(case, **alone, max_wavelength=longer))
    moved = run(case, **offset)["logits"]
    assert np.abs(moved - run(case, max_wavelength=longer)["logits"]).max() > 1e-2


def test_no_rotary_position_is_absolute():
    case = Case("b_rotary_half")
    same(run(case, shift=7), run(case))


def test_what_the_conventions_leave_open_is_refused():
    case = Case("a_abs_sinusoidal")
    ids = case.inputs["token_ids"]
    with pytest.raises(ValueError, match="mask_style"):
        run(case, mask_style="another")
    with pytest.raises(ValueError, match="one index; got 3"):
        forward(Case("b_rotary_half").config, case.params, ids, np.zeros((*ids.shape, 3), int))
    with pytest.raises(ValueError, match="16 rows; got 1"):
        run(case, {**case.params, LEARNED: np.zeros((1, 32))}, initial_query_embed_style="learned")
