"""What is measured: a model of a size, and a batch for it."""

import dataclasses

import numpy as np

from pipelines.checks import check_integer, check_number
from pipelines.errors import UserError

MODELS = ("perceiver_ar", "transformer", "transformer_xl")
POSITIONS = ("rotary", "absolute", "learned")
POLICIES = {"bfloat16": "mixed_bfloat16", "float32": "float32"}
ATTENTION = ("auto", "dense", "blockwise", "fused")
REMATERIALIZE = ("none", "blocks", "everything")
# Pad, EOS and SOS come before. Not imported: a wrong flag should not have to wait for a backend.
NUM_RESERVED = 3
# Lengths and positions are int32.
MAX_CONTEXT = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Workload:
    """A model and its batch; each field is the flag of that name.

    Args:
        model: str, of `MODELS`.
        context: int. M, inputs of a row; of a Transformer-XL those of a segment.
        latents: int. N; the baselines have none.
        memory: int or None. Entries that a Transformer-XL remembers; None is `context`.
        layers: int. L.
        width: int. C.
        heads: int. H.
        batch: int. B.
        vocab: int. V.
        positions: str, of `POSITIONS`; a Transformer-XL has its own.
        dtype: str, of `POLICIES`. Of the computation; weights and optimizer are float32.
        dropout: float in [0, 1). On the output of every attention and MLP.
        attention: str, of `ATTENTION`. Route of every attention.
        rematerialize: str, of `REMATERIALIZE`. "blocks" are those of the stack; "everything" is
            the cross-attend as well.

    Raises:
        UserError: sizes that do not fit each other.
    """

    model: str = "perceiver_ar"
    context: int = 8192
    latents: int = 1024
    memory: int | None = None
    layers: int = 12
    width: int = 1024
    heads: int = 16
    batch: int = 4
    vocab: int = 259
    positions: str = "rotary"
    dtype: str = "bfloat16"
    dropout: float = 0.1
    attention: str = "auto"
    rematerialize: str = "none"

    def __post_init__(self):
        check_integer("--context", self.context, most=MAX_CONTEXT)
        for name in ("latents", "layers", "width", "heads", "batch"):
            check_integer(f"--{name}", getattr(self, name))
        check_integer("--memory", self.memory, optional=True)
        check_integer("--vocab", self.vocab, least=NUM_RESERVED + 1)
        check_number("--dropout", self.dropout)
        if self.dropout >= 1:
            raise UserError(f"--dropout must be below 1, got {self.dropout}")
        if self.is_perceiver and self.latents > self.context:
            raise UserError(
                f"--latents must be at most --context={self.context}, got {self.latents}"
            )
        if self.width % self.heads:
            raise UserError(f"--heads must divide --width={self.width}, got {self.heads}")
        head_width = self.width // self.heads
        if head_width % 2 and (self.positions == "rotary" or self.model == "transformer_xl"):
            raise UserError(
                f"--width={self.width} over --heads={self.heads} gives heads of {head_width} "
                "channels; these positions need an even number"
            )
        if self.model == "transformer_xl" and self.memory is None:
            object.__setattr__(self, "memory", self.context)

    @property
    def is_perceiver(self):
        return self.model == "perceiver_ar"

    @property
    def num_targets(self):
        """Predictions that a step learns from."""
        return self.batch * (self.latents if self.is_perceiver else self.context)

    def describe(self):
        """The fields by their names, None where the model has no such thing."""
        fields = dataclasses.asdict(self)
        if not self.is_perceiver:
            fields["latents"] = None
        fields["positions" if self.model == "transformer_xl" else "memory"] = None
        return fields

    def make_model(self):
        """The Keras model."""
        import keras_perceiver_ar as kpar

        route = kpar.attention.AttentionRoute(kind=self.attention)
        sizes = {
            "vocab_size": self.vocab,
            "max_context": self.context,
            "num_layers": self.layers,
            "width": self.width,
            "num_heads": self.heads,
            "dropout": self.dropout,
            "rematerialize": self._rematerialize(),
            "seed": 0,
            "dtype": POLICIES[self.dtype],
        }
        if self.model == "transformer":
            return kpar.models.DecoderTransformer(positions=self.positions, route=route, **sizes)
        if self.model == "transformer_xl":
            return kpar.models.TransformerXL(memory_length=self.memory, route=route, **sizes)
        backbone = kpar.models.PerceiverARBackbone(
            num_latents=self.latents,
            positions=self.positions,
            cross_attend=kpar.models.CrossAttend(route=route),
            route=route,
            **sizes,
        )
        return kpar.models.PerceiverARCausalLM(backbone)

    def _rematerialize(self):
        if self.rematerialize == "blocks":
            return tuple(range(self.layers))
        return self.rematerialize == "everything"

    def make_batch(self):
        """Full rows of random ids.

        Returns:
            dict of token_ids int32 (B, M) and lengths int32 (B,); labels int32 (B, M). NumPy.
        """
        ids = np.random.default_rng(0).integers(
            NUM_RESERVED, self.vocab, (self.batch, self.context + 1), dtype="int32"
        )
        lengths = np.full((self.batch,), self.context, "int32")
        return {"token_ids": ids[:, :-1], "lengths": lengths}, ids[:, 1:]

    def compute_loss(self, model, inputs, labels, memory, seed):
        """One forward pass in training, on any backend.

        Args:
            model: of `make_model`.
            inputs, labels: of `make_batch`, as tensors.
            memory: of a Transformer-XL, else None.
            seed: uint32 (2,).

        Returns:
            float32 scalar, and the memory for the next step.
        """
        from keras_perceiver_ar.training import PerceiverARLoss

        call = {"training": True, "seed": seed}
        if self.is_perceiver:
            labels = model.latent_labels(inputs, labels)
        if self.model == "transformer_xl":
            logits, memory = model(inputs, memory=memory, return_memory=True, **call)
        else:
            logits = model(inputs, **call)
        return PerceiverARLoss()(labels, logits), memory

    def make_memory(self, model):
        """A memory that is full from the first step on, or None."""
        if self.model != "transformer_xl":
            return None
        memory = model.empty_memory(self.batch)
        return {**memory, "lengths": memory["lengths"] + self.memory}


def make_optimizer():
    """Adam with the gradients clipped to a global norm of 1; its state is float32."""
    import keras

    return keras.optimizers.Adam(3e-4, global_clipnorm=1.0)
