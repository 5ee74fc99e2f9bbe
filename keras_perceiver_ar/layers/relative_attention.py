"""Attention that knows distances instead of places."""

import math

import keras
from keras import ops

from keras_perceiver_ar import positions as positions_lib
from keras_perceiver_ar.checks import check_sizes
from keras_perceiver_ar.layers.feed_forward import fan_in_initializer
from keras_perceiver_ar.layers.multi_head_attention import MultiHeadAttention


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class RelativeAttention(MultiHeadAttention):
    """Multi-head attention by content and by distance, as in Transformer-XL.

    Query i scores key j with ((qᵢ + u) · kⱼ + (qᵢ + v) · W R(i − j)) / √D, where R are sinusoids
    and u, v and W are learned. By the addition theorem the second term is an inner product of a
    vector that depends on i with R(j), so that both terms are one inner product over D + r
    channels: no score is shifted or added, and every route of the attention computes it. The price
    is keys of D + r channels; the paper's r is the width of the model, not that of a head.

    Args:
        num_heads: int. H.
        num_positions: int. Places that queries and keys may have: 0 … num_positions − 1.
        attention_width: int or None. H · D; None is the width of the queries.
        output_width: int or None. Width of the output; None is that of the queries.
        position_width: int or None. r, sines and cosines of the distance, even; None is D.
        route: `AttentionRoute` or None. How attention is computed.
        dropout: float in [0, 1). On the attention probabilities.
        seed: int or None. Of the dropout, where a call brings no seed of its own.

    Call arguments:
        query: (B, N, C).
        inputs: (B, M, Cᵢ), what keys and values are made of; None is `query`.
        attention_mask: bool (B, N, M) or None, True where attention is allowed.
        query_positions: int (N,) or (B, N). Only differences to those of the keys matter.
        key_positions: int (M,) or (B, M); with `inputs` None those of the queries.
        training: bool. Whether dropout acts.
        seed: uint32 (2,) or None.

    Returns:
        (B, N, output_width).

    Raises:
        ValueError: `attention_width` is not a multiple of `num_heads`, an odd `position_width`, a
            size that is none, a rate outside [0, 1).

    Example:
        >>> attention = RelativeAttention(num_heads=4, num_positions=100)
        >>> x, places = keras.ops.ones((2, 100, 32)), keras.ops.arange(100)
        >>> attention(x[:, 97:], x, query_positions=places[97:], key_positions=places).shape
        (2, 3, 32)

    Reference: Dai et al., arXiv 1901.02860, section 3.3. The frequencies are those of this
        library's tables, 1 … 1e-4 with the end point included.
    """

    def __init__(
        self,
        num_heads,
        num_positions,
        attention_width=None,
        output_width=None,
        position_width=None,
        route=None,
        dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            num_heads,
            attention_width,
            output_width,
            route=route,
            dropout=dropout,
            seed=seed,
            **kwargs,
        )
        check_sizes(num_positions=num_positions)
        if position_width is not None:
            check_sizes(position_width=position_width)
        self.num_positions = num_positions
        self.position_width = position_width

    def build(self, query_shape, inputs_shape=None):
        super().build(query_shape, inputs_shape)
        num_heads, head_width = self._head_shape
        self._encoding_width = self.position_width or head_width
        if self._encoding_width % 2:
            raise ValueError(
                "`position_width` must be even: half are sines, half cosines. Received: "
                f"position_width={self.position_width}, heads of {head_width} channels"
            )

        def add(name, shape, initializer):
            return self.add_weight(name=name, shape=shape, initializer=initializer)

        self.content_bias = add("content_bias", self._head_shape, "zeros")
        self.position_bias = add("position_bias", self._head_shape, "zeros")
        shape = (self._encoding_width, num_heads * head_width)
        self.position_kernel = add("position_kernel", shape, fan_in_initializer())

    def _rows(self, positions):
        """float32 (N, r) or (B, N, r), exact at any place."""
        width = self._encoding_width
        return positions_lib.table_rows("sinusoidal", positions, self.num_positions, width)

    def project_query(self, query, positions=None):
        """(B, N, C), at positions (N,) or (B, N) → (B, N, H, D + r)."""
        query = self._split_heads(self.query_dense(query))
        kernel = ops.reshape(self.position_kernel, (-1, *self._head_shape))
        kernel = ops.cast(kernel, query.dtype)
        wanted = query + ops.cast(self.position_bias, query.dtype)
        wanted = ops.einsum("bnhd,rhd->bnhr", wanted, kernel)
        turned = positions_lib.turn_to_keys(wanted, self._rows(positions)[..., None, :])
        content = ops.cast(query + ops.cast(self.content_bias, query.dtype), "float32")
        # The contract of attention divides by the root of all D + r channels.
        head_width = self._head_shape[1]
        scale = math.sqrt((head_width + self._encoding_width) / head_width)
        joined = ops.concatenate([content, turned], axis=-1)
        return ops.cast(joined * scale, query.dtype)

    def project_key_value(self, inputs, positions=None):
        """(B, M, Cᵢ), at positions (M,) or (B, M) → keys (B, M, H, D + r), values (B, M, H, D)."""
        key, value = super().project_key_value(inputs)
        rows = ops.cast(self._rows(positions)[..., None, :], key.dtype)
        rows = ops.broadcast_to(rows, (*ops.shape(key)[:-1], self._encoding_width))
        return ops.concatenate([key, rows], axis=-1), value

    def get_config(self):
        config = super().get_config()
        del config["rotary"]
        return {
            **config,
            "num_positions": self.num_positions,
            "position_width": self.position_width,
        }
