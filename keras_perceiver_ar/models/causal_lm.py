"""Perceiver AR as an autoregressive model of sequences."""

import keras
from keras import ops

from keras_perceiver_ar import masks
from keras_perceiver_ar.checks import check_flags, check_ids, check_labels
from keras_perceiver_ar.generation.program import GenerateProgram
from keras_perceiver_ar.models.backbone import PerceiverARBackbone
from keras_perceiver_ar.models.scoring import score
from keras_perceiver_ar.models.tied_logits import TiedLogits
from keras_perceiver_ar.models.token_layers import make_logits
from keras_perceiver_ar.quantization import saved_dtype


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class PerceiverARCausalLM(keras.Model):
    """A `PerceiverARBackbone` with an output layer: each latent predicts the input after its own.

    `fit` takes labels (B, M), where `labels[:, i]` is the input after `token_ids[:, i]` and 0
    counts in no loss; the model picks those on which its latents sit.

    Args:
        backbone: `PerceiverARBackbone`.
        tie_embeddings: bool. Whether the output layer shares its weights with the token embedding,
            which must then be as wide as the latents.
        zero_logits: bool. Whether the output layer starts from zeros, so that training starts from
            the uniform distribution (`final_layer_init_zeros`).

    Call arguments:
        inputs, training, seed, num_latents: as for `PerceiverARBackbone`.

    Returns:
        float32 (B, U, V), logits; U is N as long as one latent sits on a position.

    Raises:
        ValueError: `backbone` is none, or its widths do not fit tied embeddings.

    Example:
        >>> backbone = PerceiverARBackbone(259, max_context=64, num_latents=8, width=32)
        >>> model = PerceiverARCausalLM(backbone)
        >>> model.compile("adam", loss=PerceiverARLoss())
        >>> ids = np.random.randint(3, 259, (16, 65))
        >>> model.fit({"token_ids": ids[:, :-1]}, ids[:, 1:])
        >>> model.generate({"token_ids": ids[:2, :9]}, max_new_tokens=20)["token_ids"].shape
        (2, 29)

    Reference: Hawthorne et al., arXiv 2202.07765.
    """

    def __init__(self, backbone, tie_embeddings=False, zero_logits=True, **kwargs):
        kwargs.setdefault("dtype", getattr(backbone, "dtype_policy", None))
        super().__init__(**kwargs)
        if not isinstance(backbone, PerceiverARBackbone):
            raise ValueError(f"`backbone` must be a PerceiverARBackbone. Received: {backbone!r}")
        check_flags(tie_embeddings=tie_embeddings, zero_logits=zero_logits)
        self.backbone = backbone
        self.tie_embeddings = tie_embeddings
        self.zero_logits = zero_logits
        if tie_embeddings:
            if backbone.input_width != backbone.width:
                raise ValueError(
                    "Tied embeddings must be as wide as the latents. Received: tie_embeddings=True,"
                    f" input_width={backbone.input_width}, width={backbone.width}"
                )
            self.logits = TiedLogits(backbone.token_embedding, name="logits")
        else:
            self.logits = make_logits(
                backbone.vocab_size, backbone.width, self.dtype_policy, zero_logits
            )
        self.built = True
        self._generate_program = GenerateProgram.deferred(self)

    def build(self, input_shape=None):
        """Nothing is left to build: the backbone builds itself."""

    def call(self, inputs, training=False, seed=None, num_latents=None):
        latents = self.backbone(inputs, training=training, seed=seed, num_latents=num_latents)
        return self.logits(latents)

    def latent_labels(self, inputs, labels, num_latents=None):
        """Picks the labels of the inputs on which the latents sit.

        Args:
            inputs: as for a call.
            labels: int (B, M), or any array of that leading shape. 0 counts in no loss.
            num_latents: int or None.

        Returns:
            (B, U), 0 where a latent sits on no input.

        Raises:
            ValueError: not one label for each input.
        """
        token_ids, lengths, _ = self.backbone.read_inputs(inputs)
        steps = masks.latent_steps(lengths, self.backbone.num_positions(num_latents))
        labels = ops.convert_to_tensor(labels)
        check_labels(labels, token_ids)
        picked = masks.gather_at_steps(labels, steps)
        return ops.where(steps >= 0, picked, ops.zeros_like(picked))

    def _at_latents(self, x, y, sample_weight):
        if sample_weight is not None and len(sample_weight.shape) > 1:
            sample_weight = self.latent_labels(x, sample_weight)
        return self.latent_labels(x, y), sample_weight

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Keras' own, with labels (B, M) picked at the latents first."""
        if y is not None:
            y, sample_weight = self._at_latents(x, y, sample_weight)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Keras' own, with labels (B, M) picked at the latents first."""
        if y is not None:
            y, sample_weight = self._at_latents(x, y, sample_weight)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def score(self, inputs, num_latents=None):
        """Log-probability of each input given those before it.

        A row is scored in strided blocks of U from its end, so that every input is scored exactly
        once and with as much context as the row has; the block at the start holds the remainder.

        Args:
            inputs: as for a call.
            num_latents: int or None. Another N.

        Returns:
            float32 (B, M). NaN at the first input of a row, which nothing precedes, and on padding.

        Raises:
            ValueError: ids outside the vocabulary, if they are not tensors yet.
        """
        inputs = inputs if isinstance(inputs, dict) else {"token_ids": inputs}
        check_ids(inputs.get("token_ids"), self.backbone.vocab_size)
        return score(self, inputs, self.backbone.num_positions(num_latents))

    def generate(
        self,
        inputs,
        max_new_tokens,
        sampler="top_p",
        seed=0,
        num_latents=None,
        refill="half",
        stop_ids=(1,),
        prefill="all",
        use_cache=None,
        on_step=None,
        slide=None,
        masks=(),
        forced=None,
    ):
        """Continues each row of a ragged batch of prompts.

        Keys and values are kept: those of the cross-attention for every input, once and for all;
        those of the latent stack for up to N latents. A row whose N latents are full starts again
        from a part of them (`refill`), each row when its own are full. At every step the logits are
        those of an uncached call with as many latents as the row then holds.

        Where a new input changes the keys of all others (positions from the end, a learned latent
        for each place), nothing can be kept: every step then reads the whole row with N latents.

        A row may grow to `max_context` + 1 tokens: nothing reads the last one. With `slide` it may
        grow for ever: the oldest inputs leave, and a row then goes on as if it began with those
        that stay, which are read anew.

        Args:
            inputs: as for a call; `token_ids` (B, M) are the prompts. One of no tokens begins with
                SOS (id 2), which is part of what is returned. `positions`, if given, must cover
                each prompt and max_new_tokens − 1 tokens more.
            max_new_tokens: int. Tokens to add to each row.
            sampler: "greedy", "temperature", "top_k", "top_p", "min_p", "typical", "beam", or a
                `kpar.generation.Sampler` or `BeamSearch`; the last draws nothing and takes no
                `slide` and `forced`.
            seed: int, or int (B,) with one seed a row. A number s stands for s, s + 1, … along the
                batch. A row's draws depend on its seed and on nothing else in the batch.
            num_latents: int or None. Another N.
            refill: "half", or an int: positions held after a refill, the newest included.
            stop_ids: tuple of int. Ids after which a row ends; they are part of the output.
                Reserved ids (0 pad, 1 EOS, 2 SOS) that are not listed are never sampled.
            prefill: "all", or an int: positions of each prompt that latents are put on. The
                original puts one.
            use_cache: bool or None. None keeps keys and values where that can be done.
            on_step: function of the lengths so far and the tokens just drawn, int32 (B,) each, 0
                in rows that are done; it returns the lengths. Or None. Of a search (B · K,), the K
                beams of a row side by side. It is part of the compiled loop, after every token; a
                callback of the backend in it (`tf.numpy_function`, `jax.debug.callback`) shows how
                far the loop is and what it writes.
            slide: None, "half" or an int: oldest inputs that leave a row whose context is full.
                Few of them keep more context, and have the row read more often.
            masks: `kpar.generation.LogitMask`, or a sequence of them: a token comes where all
                allow it. A row for which nothing is allowed ends.
            forced: int (B, S) or None. Ids that stand where they do whatever is drawn, 0 where the
                model draws: place i is that of the row's token i, prompt included, whose own
                tokens they do not change. They count as new tokens, and as draws of the model in
                `log_probs`; a stop id among them ends its row. No mask forbids them.

        Returns:
            dict of NumPy arrays: `token_ids` int32 (B, M + max_new_tokens), prompt and continuation
            of each row, then zeros (M counts as 1 at least); `lengths` int32 (B,); `log_probs`
            float32 (B, max_new_tokens), of each new token under the model itself (before
            penalty, masks, temperature and cuts), NaN after the end of a row.

        Raises:
            ValueError: a prompt that leaves no room for `max_new_tokens` within `max_context` + 1,
                an unknown sampler, refill, slide or mask, forced ids that are none.
        """
        return self._generate_program.get()(
            inputs,
            max_new_tokens,
            sampler,
            seed,
            num_latents,
            {"refill": refill, "prefill": prefill, "use_cache": use_cache, "slide": slide},
            stop_ids,
            masks,
            on_step,
            forced,
        )

    def compute_output_spec(self, inputs, training=False, seed=None, num_latents=None):
        """Shape and dtype of a symbolic call, `num_latents` of that call included."""
        latents = self.backbone.compute_output_spec(inputs, num_latents=num_latents)
        return keras.KerasTensor((*latents.shape[:2], self.backbone.vocab_size), "float32")

    def compute_output_shape(self, input_shape):
        latents = self.backbone.compute_output_shape(input_shape)
        return (*latents[:2], self.backbone.vocab_size)

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": saved_dtype(self),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "tie_embeddings": self.tie_embeddings,
            "zero_logits": self.zero_logits,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["backbone"] = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**config)
