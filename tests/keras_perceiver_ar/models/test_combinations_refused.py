"""Settings that contradict each other are refused by name when the backbone is made."""

import pytest

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import tiny_model

CrossAttend, LatentQuery = kpar.models.CrossAttend, kpar.models.LatentQuery
Dropout = kpar.models.DropoutRates
NOTHING_READ = CrossAttend(initial=False)
FEW_ROWS = kpar.layers.PositionEmbedding(10, 12)
PIXELS = kpar.layers.PositionEmbedding((4, 5, 6), 12, "learned")


@pytest.mark.parametrize(
    ("named", "settings"),
    [
        (
            "num_latents=5, latents_per_position=2",
            {"num_latents": 5, "latent_query": LatentQuery(latents_per_position=2)},
        ),
        (
            "must be an integer ≥ 1. Received: latents_per_position=0",
            {"latent_query": LatentQuery(latents_per_position=0)},
        ),
        (
            "num_latents=50, max_context=48",
            {"num_latents": 50, "latent_query": LatentQuery(latents_per_position=2)},
        ),
        ("num_rows=10, max_context=24", {"positions": FEW_ROWS}),
        ("`rematerialize` must be .*Received: rematerialize=\\(7,\\)", {"rematerialize": (7,)}),
        ("`rematerialize` must be .*Received: rematerialize=1", {"rematerialize": 1}),
        ("`cross_attend` must be a CrossAttend", {"cross_attend": CrossAttend}),
        ("`latent_query` must be a LatentQuery", {"latent_query": "mlp"}),
        ("`tie_embeddings` must be True or False", {"model": {"tie_embeddings": "no"}}),
        (
            "from 0 to 1. Received: after_layers=\\(2,\\)",
            {"cross_attend": CrossAttend(after_layers=[2])},
        ),
        ("Received: after_layers=\\(0, 0\\)", {"cross_attend": CrossAttend(after_layers=(0, 0))}),
        (
            "no cross-attend.*inputs=0.5",
            {"cross_attend": NOTHING_READ, "dropout": Dropout(inputs=0.5)},
        ),
        (
            "no cross-attend.*keep_inputs=9",
            {"cross_attend": NOTHING_READ, "dropout": Dropout(keep_inputs=9)},
        ),
        (
            "at least 5. Received: keep_inputs=4",
            {"dropout": Dropout(keep_inputs=4, prefix_only=True)},
        ),
        (
            "`offset` needs positions of one index dimension.*3 index dimensions",
            {"positions": PIXELS, "latent_query": LatentQuery(offset=True)},
        ),
        (
            "`offset` needs positions of one index dimension.*2 index dimensions",
            {
                "positions": kpar.layers.RotaryEmbedding(9, num_index_dimensions=2),
                "latent_query": LatentQuery(offset=True),
            },
        ),
        (
            "`offset` would change nothing.*style='shared'",
            {"positions": "absolute", "latent_query": LatentQuery("shared", offset=True)},
        ),
        (
            "would see no input.*style='shared', initial=False",
            {"cross_attend": NOTHING_READ, "latent_query": LatentQuery("shared")},
        ),
        ("`style` must be one of.*style='none'", {"latent_query": LatentQuery("none")}),
        ("attention width 10, num_heads=4", {"cross_attend": CrossAttend(num_heads=4, width=10)}),
        ("input_width=12, width=16", {"model": {"tie_embeddings": True}}),
    ],
)
def test_what_contradicts_itself_is_refused(named, settings):
    with pytest.raises(ValueError, match=named):
        tiny_model(**settings)


@pytest.mark.parametrize(
    ("named", "make"),
    [
        ("Give `inputs` or `keep_inputs`", lambda: Dropout(inputs=0.1, keep_inputs=3)),
        ("`dropout latents` must lie in", lambda: Dropout(latents=1.0)),
        ("`keep_inputs` must be an integer ≥ 1", lambda: Dropout(keep_inputs=0)),
        ("`initial` must be True or False", lambda: CrossAttend(initial="no")),
        ("`query_residual` must be True or False", lambda: CrossAttend(query_residual=1)),
        ("`route` must be a AttentionRoute", lambda: CrossAttend(route=5)),
        ("`route` must be a AttentionRoute", lambda: tiny_model(route="dense")),
        ("`prefix_only` must be True or False", lambda: Dropout(prefix_only="no")),
        ("`offset` must be True or False", lambda: LatentQuery(offset="no")),
        (
            "Received: negative=True, from_end=False",
            lambda: kpar.layers.RotaryEmbedding(9, negative=True),
        ),
        (
            "from_end=True, num_index_dimensions=2",
            lambda: kpar.layers.RotaryEmbedding(9, from_end=True, num_index_dimensions=2),
        ),
    ],
)
def test_settings_of_their_own_are_refused(named, make):
    with pytest.raises(ValueError, match=named):
        make()


@pytest.mark.parametrize(
    ("named", "settings"),
    [
        ("from_end=True", {"positions": kpar.layers.RotaryEmbedding(24, from_end=True)}),
        ("style='learned'", {"latent_query": LatentQuery("learned")}),
    ],
)
def test_a_cache_that_would_be_wrong_is_refused(named, settings):
    model = tiny_model(**settings)
    with pytest.raises(ValueError, match=f"`use_cache=True` would be wrong: .*{named}"):
        model.generate({"token_ids": [[5, 6]]}, 3, use_cache=True)
    model.generate({"token_ids": [[5, 6]]}, 3)


def test_positions_must_be_given_where_nothing_says_how_they_continue():
    model = tiny_model(PIXELS)
    with pytest.raises(ValueError, match="`positions` are needed: this model has 3"):
        model.generate({"token_ids": [[5, 6]]}, 3)


@pytest.mark.parametrize("prefill", [0, 5, "half", 1.0, True])
def test_refusals_of_prefill(prefill):
    with pytest.raises(ValueError, match=f"`prefill` must be .*Received: prefill={prefill!r}"):
        tiny_model().generate({"token_ids": [[5, 6]]}, 3, prefill=prefill)
