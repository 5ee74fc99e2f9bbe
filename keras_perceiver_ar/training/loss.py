"""Cross-entropy of the latents' predictions."""

import math

import keras
from keras import ops

from keras_perceiver_ar.checks import check_numbers

NORMALIZATIONS = ("mean", "sum")


def token_loss(labels, logits, z_loss=0.0, label_smoothing=0.0):
    """Cross-entropy and z-loss of each label, 0 where there is none.

    The logits are shifted by their maximum first, so that neither the loss nor its gradient loses
    digits where they are huge; the gradient comes from differentiation and is the softmax itself.

    Args:
        labels: int (B, N). 0 counts in no loss.
        logits: (B, N, V).
        z_loss: float. Weight of log²Z, which keeps the logits from drifting.
        label_smoothing: float in [0, 1). Probability that the target gives away to the V − 1 other
            tokens. The entropy of such a target is subtracted, so that 0 stays the least loss.

    Returns:
        cross-entropy float32 (B, N) in nats, and z-loss float32 (B, N).
    """
    labels, logits = ops.cast(labels, "int32"), ops.cast(logits, "float32")
    highest = ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    logits = logits - highest
    log_z = ops.log(ops.sum(ops.exp(logits), axis=-1))
    chosen = ops.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    if label_smoothing:
        other = label_smoothing / (logits.shape[-1] - 1)
        kept = 1.0 - label_smoothing
        entropy = -kept * math.log(kept) - label_smoothing * math.log(other)
        chosen = (kept - other) * chosen + other * ops.sum(logits, axis=-1) + entropy
    counts = ops.cast(labels > 0, "float32")
    z_part = z_loss * ops.square(log_z + highest[..., 0])
    return (log_z - chosen) * counts, z_part * counts


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class PerceiverARLoss(keras.losses.Loss):
    """Cross-entropy over the latents, plus z-loss; label 0 counts in no loss.

    Args:
        z_loss: float. Weight of log²Z.
        normalization: "mean" over the labels that count, or "sum" over labels and batch as in the
            original. There the sum is clipped to norm 1, which is in effect a normalised gradient;
            a mean with the same clip is another optimiser. Where `fit` runs under a
            `tf.distribute.Strategy`, each replica's mean counts as much as that of any other.
        label_smoothing: float in [0, 1). Probability that a target gives away to the other tokens.

    Call arguments:
        y_true: int (B, N).
        y_pred: (B, N, V), logits.
        sample_weight: (B,) or (B, N), optional.

    Returns:
        float32 scalar.

    Reference: `Experiment._loss_fn` of the original (`z_loss`, `label_smoothing`).
    """

    def __init__(
        self,
        z_loss=1e-4,
        normalization="mean",
        label_smoothing=0.0,
        name="perceiver_ar_loss",
        **kwargs,
    ):
        if kwargs.get("reduction", "sum") == "sum":
            # Also where a config of before says "sum". Keras scales a mean, and no sum, so that
            # gradients that are added up over replicas make a mean again.
            kwargs["reduction"] = "sum_over_batch_size" if normalization == "mean" else "sum"
        kwargs.setdefault("dtype", "float32")  # a bfloat16 would round the ids of the labels
        super().__init__(name=name, **kwargs)
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {NORMALIZATIONS}. "
                f"Received: normalization={normalization!r}"
            )
        check_numbers(z_loss=z_loss)
        check_numbers(label_smoothing=label_smoothing, below=1)
        self.z_loss = z_loss
        self.label_smoothing = label_smoothing
        self.normalization = normalization

    def call(self, y_true, y_pred):
        """float32 (B, N), 0 where there is no label."""
        if y_true.shape[1] != y_pred.shape[1]:
            raise ValueError(
                "`y_true` must hold one label for each latent: pick them with "
                "`model.latent_labels(inputs, labels)` (`fit` does it by itself). Received: "
                f"y_true.shape={y_true.shape}, y_pred.shape={y_pred.shape}"
            )
        cross_entropy, z_loss = token_loss(y_true, y_pred, self.z_loss, self.label_smoothing)
        return cross_entropy + z_loss

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true = ops.convert_to_tensor(y_true)
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight)
            if len(sample_weight.shape) == 1:
                sample_weight = ops.expand_dims(sample_weight, -1)
        total = super().__call__(y_true, y_pred, sample_weight)
        if self.normalization == "sum":
            return total
        count = ops.maximum(ops.sum(ops.cast(y_true > 0, total.dtype)), 1.0)
        if self.reduction == "sum_over_batch_size":
            total = total * ops.cast(ops.size(y_true), total.dtype)
        return total / count

    def get_config(self):
        return {
            **super().get_config(),
            "z_loss": self.z_loss,
            "normalization": self.normalization,
            "label_smoothing": self.label_smoothing,
        }
