"""Combinations of the model's options, chosen so that few of them show every pair of values."""

import functools
import itertools
import random

import keras_perceiver_ar as kpar
from tests.keras_perceiver_ar.support import CONTEXT

CrossAttend, LatentQuery = kpar.models.CrossAttend, kpar.models.LatentQuery
Dropout, Route = kpar.models.DropoutRates, kpar.models.AttentionRoute
Rotary, Table = kpar.layers.RotaryEmbedding, kpar.layers.PositionEmbedding
INPUT_WIDTH, PIXELS = 12, (4, 5, 6)

# Functions where a value is a layer: every model needs one of its own.
VALUES = {
    "positions": {
        "rotary": lambda: "rotary",
        "rotary of some channels and heads": lambda: Rotary(40, 0.6, 0.5),
        "rotary of pixels": lambda: Rotary(32, 1.0, num_index_dimensions=3),
        "rotary from the end": lambda: Rotary(CONTEXT, 0.5, from_end=True),
        "rotary from the end, negative": lambda: Rotary(CONTEXT, 1.0, from_end=True, negative=True),
        "sinusoidal": lambda: "absolute",
        "sinusoidal from the end": lambda: Table(CONTEXT, INPUT_WIDTH, from_end=True),
        "fourier": lambda: Table(CONTEXT + 1, INPUT_WIDTH, "fourier"),
        "linear": lambda: Table(CONTEXT + 1, INPUT_WIDTH, "linear", trainable=True),
        "learned": lambda: "learned",
        "random": lambda: Table(CONTEXT + 1, INPUT_WIDTH, "learned", trainable=False),
        "learned of pixels": lambda: Table(PIXELS, INPUT_WIDTH, "learned"),
    },
    "style": dict.fromkeys(("input", "mlp", "learned", "shared")),
    "latents_per_position": {1: None, 2: None},
    "offset": {False: None, True: None},
    "reads": {
        "once": {},
        "again after 0 and 1": {"after_layers": (0, 1)},
        "after 1 alone": {"initial": False, "after_layers": (1,)},
        "never": {"initial": False},
    },
    "query_residual": {True: None, False: None},
    "attends": {"as wide as the inputs": {}, "as wide as the latents": {"width": 16}},
    "route": {
        "at once": None,
        "head groups": Route(head_group_size=1),
        "chunks": Route(query_chunk_size=3, key_chunk_size=7),
        "both": Route(head_group_size=1, query_chunk_size=5, key_chunk_size=24),
    },
    "dropout": {
        "none": 0.0,
        "outputs": 0.2,
        "attention": Dropout(attention=0.3),
        "latents": Dropout(latents=0.3),
        "inputs": Dropout(inputs=0.4, outputs=0.1),
        "prefix": Dropout(inputs=0.6, prefix_only=True),
        "some inputs": Dropout(keep_inputs=8),
        "some of the prefix": Dropout(keep_inputs=10, prefix_only=True),
    },
    "rematerialize": {False: None, True: None, (1,): None},
    "activation": dict.fromkeys(("squared_relu", "gelu_tanh", "silu")),
    "output": {
        "zeros": {},
        "drawn": {"zero_logits": False},
        "tied": {"tie_embeddings": True},
    },
}


def makes_sense(choice):
    """Whether such a model can be made; what cannot is tested where it is refused."""
    absolute = "rotary" not in choice["positions"]
    learned = choice["style"] in ("learned", "shared")
    no_offset = choice["positions"].endswith("pixels") or (absolute and learned)
    drops_inputs = choice["dropout"] in ("inputs", "prefix", "some inputs", "some of the prefix")
    blind = choice["reads"] == "never" and (drops_inputs or learned)
    return not ((choice["offset"] and no_offset) or blind)


@functools.cache
def combinations(most=None):
    """Choices, the most telling first, until every pair that makes sense is in one of them.

    Args:
        most: int or None. How many at the most.

    Returns:
        tuple of dict of str.
    """
    generator = random.Random(0)

    def draw():
        while True:
            choice = {name: generator.choice(list(values)) for name, values in VALUES.items()}
            if makes_sense(choice):
                return choice

    def pairs(choice):
        return set(itertools.combinations(choice.items(), 2))

    everything = set().union(*(pairs(draw()) for _ in range(4000)))
    chosen, missing = [], everything
    while missing and len(chosen) < (most or len(everything)):
        best = max((draw() for _ in range(60)), key=lambda choice: len(pairs(choice) & missing))
        if pairs(best) & missing:
            chosen.append(best)
            missing = missing - pairs(best)
    return tuple(chosen)


def arguments(choice):
    """A choice as arguments of the backbone and of the model."""
    cross_attend = CrossAttend(
        **VALUES["reads"][choice["reads"]],
        **VALUES["attends"][choice["attends"]],
        query_residual=choice["query_residual"],
        route=VALUES["route"][choice["route"]],
        num_heads=4,
    )
    latent_query = LatentQuery(
        style=choice["style"],
        latents_per_position=choice["latents_per_position"],
        offset=choice["offset"],
    )
    output = VALUES["output"][choice["output"]]
    backbone = {
        "positions": VALUES["positions"][choice["positions"]](),
        "cross_attend": cross_attend,
        "latent_query": latent_query,
        "dropout": VALUES["dropout"][choice["dropout"]],
        "rematerialize": choice["rematerialize"],
        "route": cross_attend.route,
        "activation": choice["activation"],
        "num_latents": 4 * choice["latents_per_position"],
    }
    if output.get("tie_embeddings"):
        backbone["width"] = INPUT_WIDTH
        if choice["attends"] == "as wide as the latents":
            backbone["cross_attend"] = CrossAttend(
                **cross_attend.get_config() | {"width": INPUT_WIDTH, "route": cross_attend.route}
            )
    return backbone, output
