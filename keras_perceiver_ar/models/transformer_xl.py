"""The Transformer-XL that Perceiver AR is compared with."""

import keras
import numpy as np
from keras import ops

from keras_perceiver_ar import masks, randomness
from keras_perceiver_ar.checks import check_inputs, check_sizes
from keras_perceiver_ar.layers.feed_forward import squared_relu
from keras_perceiver_ar.layers.layer_normalization import LayerNormalization
from keras_perceiver_ar.layers.relative_block import RelativeBlock
from keras_perceiver_ar.models.baseline import Baseline
from keras_perceiver_ar.models.inputs import read_rows


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class TransformerXL(Baseline):
    """Reads a row in segments, and remembers what each block was given for those before.

    S inputs in a segment, E entries in the memory. No gradient flows into the memory; it reaches
    back L · E inputs through the blocks.

    Args:
        vocab_size: int. V, the reserved ids 0 pad, 1 EOS, 2 SOS included.
        max_context: int. The largest S.
        memory_length: int. E.
        num_layers: int. L.
        width: int. C.
        num_heads: int. H.
        mlp_factor: number. Hidden width of each MLP over `width`.
        activation: name or function, of the MLPs.
        position_width: int or None. Sines and cosines of the distance: None is the width of a head,
            which keeps the keys short; the paper's is `width`. See `RelativeAttention`.
        dropout: float in [0, 1). On the output of every attention and MLP.
        rematerialize: bool, or a tuple of int. Computes blocks again in the backward pass: all,
            none, or those of these numbers.
        route: `AttentionRoute` or None. How attention is computed.
        seed: int or None. Of the dropout, where a call brings no seed of its own.

    Call arguments:
        inputs: token_ids, int (B, S) with S ≤ max_context, or a dict of
            token_ids: 0 is padding, at the end of a row.
            lengths: int (B,), optional; without it a row ends at its first 0.
        memory: dict, as `empty_memory` or the call for the segment before gave it, or None.
        training: bool. Whether dropout acts.
        seed: int tensor (2,) or None. Seed of the dropout.
        return_memory: bool.

    Returns:
        float32 (B, S, V). Entry s predicts input s + 1; entries on padding mean nothing. With
        `return_memory` a pair of these and the memory for the next segment.

    Raises:
        ValueError: sizes that do not fit each other, inputs longer than `max_context`, `positions`
            among the inputs, a memory of another model.

    Example:
        >>> model = TransformerXL(259, 32, memory_length=64, num_layers=2, width=32, num_heads=4)
        >>> ids, memory = np.random.randint(3, 259, (2, 96)), model.empty_memory(2)
        >>> for start in range(0, 96, 32):
        ...     logits, memory = model(ids[:, start:start + 32], memory=memory, return_memory=True)

    Reference: Dai et al., arXiv 1901.02860.
    """

    def __init__(
        self,
        vocab_size,
        max_context,
        memory_length,
        num_layers=6,
        width=1024,
        num_heads=16,
        mlp_factor=4,
        activation=squared_relu,
        position_width=None,
        dropout=0.0,
        rematerialize=False,
        route=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            vocab_size,
            max_context,
            num_layers,
            width,
            num_heads,
            mlp_factor,
            activation,
            dropout,
            rematerialize,
            route,
            seed,
            **kwargs,
        )
        check_sizes(memory_length=memory_length)
        self.memory_length = memory_length
        self.position_width = position_width
        for layer in range(num_layers):
            again = rematerialize if isinstance(rematerialize, bool) else layer in rematerialize
            block = RelativeBlock(
                num_heads,
                num_positions=memory_length + max_context,
                position_width=position_width,
                mlp_factor=mlp_factor,
                activation=self.activation,
                dropout=dropout,
                route=route,
                rematerialize=again,
                name=f"relative_block_{layer}",
                dtype=self.dtype_policy,
            )
            block.build((None, None, width))
            # An attribute each: `tf.train.Checkpoint` passes over lists of Keras layers in silence.
            setattr(self, block.name, block)
        self.final_norm = LayerNormalization(name="final_norm", dtype=self.dtype_policy)
        self.final_norm.build((None, None, width))
        self.built = True

    @property
    def blocks(self):
        """List of `RelativeBlock`."""
        return [getattr(self, f"relative_block_{layer}") for layer in range(self.num_layers)]

    def empty_memory(self, batch_size):
        """The memory before the first segment.

        Args:
            batch_size: int. B.

        Returns:
            dict of `states`, a tuple of L tensors (B, E, C) in the dtype of the computation, each
            what a block was given, its last entry the latest; and `lengths`, int32 (B,), how many
            of the last entries are there.
        """
        shape = (batch_size, self.memory_length, self.width)
        states = tuple(ops.zeros(shape, self.compute_dtype) for _ in range(self.num_layers))
        return {"states": states, "lengths": ops.zeros((batch_size,), "int32")}

    def call(self, inputs, memory=None, training=False, seed=None, return_memory=False):
        token_ids, lengths = self._read_segment(inputs)
        self._check_memory(memory, token_ids.shape[0])
        seed = self._training_seed(training, seed)
        attention_mask = self._mask(token_ids, memory)
        latents, given = self._embed(token_ids), []
        seeds = randomness.split(seed, self.num_layers)
        for index, block in enumerate(self.blocks):
            given.append(latents)
            latents = block(
                latents,
                memory=None if memory is None else memory["states"][index],
                attention_mask=attention_mask,
                training=training,
                seed=seeds[index],
            )
        logits = self.logits(self.final_norm(latents))
        if not return_memory:
            return logits
        memory = memory or self.empty_memory(ops.shape(token_ids)[0])
        return logits, self._remember(memory, given, lengths)

    def _read_segment(self, inputs):
        inputs = inputs if isinstance(inputs, dict) else {"token_ids": inputs}
        if inputs.get("positions") is not None:
            raise ValueError(
                "A Transformer-XL counts distances itself: leave `positions` out. Received: "
                f"{sorted(inputs)}"
            )
        check_inputs(inputs, self.max_context, num_index_dimensions=1)
        return read_rows(inputs)

    def _check_memory(self, memory, batch_size):
        if memory is None:
            return
        shapes = []
        if isinstance(memory, dict) and memory.keys() == {"states", "lengths"}:
            shapes = [tuple(np.shape(state)) for state in memory["states"]]
            shapes.append((*np.shape(memory["lengths"]), self.memory_length, self.width))
        wanted = (batch_size, self.memory_length, self.width)
        fits = len(shapes) == self.num_layers + 1 and all(
            shape[1:] == wanted[1:] and (None in (shape[0], batch_size) or shape[0] == batch_size)
            for shape in shapes
        )
        if not fits:
            raise ValueError(
                f"`memory` must be a dict of `states`, {self.num_layers} of shape {wanted}, and "
                f"`lengths` of shape ({batch_size},), as `empty_memory` gives it. Received: "
                f"{keras.tree.map_structure(np.shape, memory)}"
            )

    def _mask(self, token_ids, memory):
        """Of (B, S, E + S), or (B, S, S) without a memory."""
        steps = self._steps(token_ids)
        if memory is None:
            return masks.latent_attention_mask(steps)
        # Steps count from the start of the segment; what is not there lies behind all of it.
        places = ops.arange(self.memory_length, dtype="int32") - self.memory_length
        there = places >= -ops.expand_dims(memory["lengths"], 1)
        remembered = ops.where(there, places, ops.shape(token_ids)[1])
        return masks.cross_attention_mask(steps, ops.concatenate([remembered, steps], axis=1))

    def _remember(self, memory, given, lengths):
        """The last E entries of each row that are there."""
        last = ops.expand_dims(lengths, 1) + ops.arange(self.memory_length, dtype="int32")
        states = tuple(
            masks.gather_at_steps(ops.concatenate([state, latents], axis=1), last)
            for state, latents in zip(memory["states"], given, strict=True)
        )
        lengths = ops.minimum(memory["lengths"] + lengths, self.memory_length)
        return {"states": states, "lengths": lengths}

    def compute_output_spec(
        self, inputs, memory=None, training=False, seed=None, return_memory=False
    ):
        """Shape and dtype of a symbolic call."""
        logits = super().compute_output_spec(inputs)
        if not return_memory:
            return logits
        state = (logits.shape[0], self.memory_length, self.width)
        states = tuple(keras.KerasTensor(state, self.compute_dtype) for _ in range(self.num_layers))
        return logits, {"states": states, "lengths": keras.KerasTensor(state[:1], "int32")}

    def get_config(self):
        return {
            **super().get_config(),
            "memory_length": self.memory_length,
            "position_width": self.position_width,
        }
