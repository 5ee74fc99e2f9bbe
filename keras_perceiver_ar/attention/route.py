"""Which way attention is computed."""

import dataclasses

import keras

from keras_perceiver_ar.checks import check_sizes
from keras_perceiver_ar.options import Options

KINDS = ("auto", "dense", "blockwise", "fused")


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
@dataclasses.dataclass(frozen=True)
class AttentionRoute(Options):
    """How attention is computed, and how much of the score matrix is held at once.

    What comes out is the same but for rounding. Sizes that are given take the place of `auto`:
    chunks of keys mean "blockwise".

    Args:
        head_group_size: int or None. Heads that are computed together
            (`cross_attention_head_group_size`); None is all.
        query_chunk_size: int or None. Queries that are computed together
            (`chunked_cross_query_size`); None is all. The last chunk may be shorter. An unknown
            number of queries is not cut.
        key_chunk_size: int or None. Keys whose scores are held together (`chunked_cross_key_size`);
            None leaves it to the route. The last chunk may be shorter.
        kind: str. "dense" holds all scores. "blockwise" holds those of a chunk of keys, and
            computes them again in the backward pass: memory does not grow with N · M. "fused" is a
            kernel that never writes a score to memory (JAX on an NVIDIA GPU). "auto" takes the
            kernel where it can run, and else whichever of the others fits the size of a row.
            A second derivative is had from "dense" alone wherever XLA compiles.

    Raises:
        ValueError: a size that is none, an unknown kind, or a kind that has no use for the sizes.
    """

    head_group_size: int | None = None
    query_chunk_size: int | None = None
    key_chunk_size: int | None = None
    kind: str = "auto"

    def __post_init__(self):
        sizes = self.get_sizes()
        check_sizes(**sizes)
        if self.kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: kind={self.kind!r}")
        if (self.kind == "dense" and self.key_chunk_size) or (self.kind == "fused" and sizes):
            raise ValueError(
                f"kind={self.kind!r} has no use for {', '.join(sizes)}: leave them out, or choose "
                "another kind"
            )

    def get_sizes(self):
        """The sizes that were given, by their names."""
        fields = self.get_config()
        del fields["kind"]
        return {name: value for name, value in fields.items() if value is not None}
