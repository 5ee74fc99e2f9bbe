"""Dropout of whole inputs."""

import keras
from keras import ops

from keras_perceiver_ar import masks, selection
from keras_perceiver_ar.checks import check_rates, check_sizes


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class ContextDropout(keras.layers.Layer):
    """Leaves out some of the inputs that a cross-attention would read, while training.

    With `keep`, exactly that many inputs of each row remain and the others are never projected:
    the step gets cheaper with them. With `rate`, each input is left out by a chance of its own and
    the mask hides it. The first input of a row always stays, so that no latent reads nothing.

    Args:
        rate: float in [0, 1). Chance of each input to be left out (`encoder_dropout_prob`).
        keep: int or None. Inputs that remain (`train_input_positions`); None is all.
        prefix_only: bool. Spares the inputs on which latents sit, as the paper describes the
            dropout of its cross-attend; the original does not.
        seed: int or None. Where a call brings no seed of its own.

    Call arguments:
        inputs: (B, M, C).
        lengths: int32 (B,) or None. Valid inputs of each row; None is M.
        num_positions: int. Inputs at the end of a row on which latents sit.
        training: bool. Whether anything is left out.
        seed: uint32 (2,) or None.

    Returns:
        (B, K, C), and int32 (B, K): the step of each input, for `masks.cross_attention_mask`; that
        of an input left out is behind all. K is `keep` in training if that is less than M, else M.

    Raises:
        ValueError: a rate outside [0, 1), or fewer inputs kept than are spared.

    Example:
        >>> dropout = ContextDropout(keep=40)
        >>> inputs, steps = dropout(keras.ops.ones((2, 100, 24)), num_positions=8, training=True)
        >>> inputs.shape, steps.shape
        ((2, 40, 24), (2, 40))

    Reference: Perceiver AR (arXiv 2202.07765), appendix on cross-attend dropout.
    """

    def __init__(self, rate=0.0, keep=None, prefix_only=True, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_rates(rate=rate)
        if keep is not None:
            check_sizes(keep=keep)
            if rate:
                raise ValueError(f"Give `rate` or `keep`. Received: rate={rate}, keep={keep}")
        self.rate = rate
        self.keep = keep
        self.prefix_only = prefix_only
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if rate or keep else None
        self.built = True

    def steps(self, lengths, num_inputs, num_positions=0, training=False, seed=None):
        """The steps of the inputs that remain, without touching the inputs.

        Returns:
            int32 (B, K), or (M,) where all of them remain.
        """
        spared = num_positions if self.prefix_only else 0
        if self.keep is not None and self.keep < 1 + spared:
            raise ValueError(
                "`keep` must leave room for the first input and for those on which latents sit: at "
                f"least {1 + spared}. Received: keep={self.keep}"
            )
        selects = self.keep is not None and (num_inputs is None or self.keep < num_inputs)
        if not training or not (self.rate or selects):
            return ops.arange(num_inputs, dtype="int32")
        if seed is None:
            seed = self.seed_generator.next()
        if self.rate:
            return selection.drop_inputs(seed, self.rate, lengths, num_inputs, spared)
        return selection.select_inputs(seed, self.keep, lengths, num_inputs, spared)

    def call(self, inputs, lengths=None, num_positions=0, training=False, seed=None):
        num_inputs = ops.shape(inputs)[1]
        if lengths is None:
            lengths = ops.zeros((ops.shape(inputs)[0],), dtype="int32") + num_inputs
        steps = self.steps(lengths, num_inputs, num_positions, training, seed)
        if len(steps.shape) == 1:
            return inputs, ops.broadcast_to(steps, ops.shape(inputs)[:2])
        if steps.shape[1] != inputs.shape[1]:
            inputs = masks.gather_at_steps(inputs, steps)
        return inputs, steps

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "keep": self.keep,
            "prefix_only": self.prefix_only,
            "seed": self.seed,
        }
