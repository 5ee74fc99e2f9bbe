"""Cross-entropy of the latents' predictions."""

import keras
from keras import ops

NORMALIZATIONS = ("mean", "sum")


def token_loss(labels, logits, z_loss=0.0):
    """Cross-entropy and z-loss of each label, 0 where there is none.

    Args:
        labels: int (B, N). 0 counts in no loss.
        logits: (B, N, V).
        z_loss: float. Weight of log²Z, which keeps the logits from drifting.

    Returns:
        cross-entropy float32 (B, N) in nats, and z-loss float32 (B, N).
    """
    logits = ops.cast(logits, "float32")
    log_z = ops.logsumexp(logits, axis=-1)
    chosen = ops.take_along_axis(logits, ops.cast(labels, "int32")[..., None], axis=-1)[..., 0]
    counts = ops.cast(labels > 0, "float32")
    return (log_z - chosen) * counts, z_loss * ops.square(log_z) * counts


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class PerceiverARLoss(keras.losses.Loss):
    """Cross-entropy over the latents, plus z-loss; label 0 counts in no loss.

    Args:
        z_loss: float. Weight of log²Z.
        normalization: "mean" over the labels that count, or "sum" over labels and batch as in the
            original. There the sum is clipped to norm 1, which is in effect a normalised gradient;
            a mean with the same clip is another optimiser.

    Call arguments:
        y_true: int (B, N).
        y_pred: (B, N, V), logits.
        sample_weight: (B,) or (B, N), optional.

    Returns:
        float32 scalar.

    Reference: `Experiment._loss_fn` of the original (`z_loss`).
    """

    def __init__(self, z_loss=1e-4, normalization="mean", name="perceiver_ar_loss", **kwargs):
        kwargs.setdefault("reduction", "sum")
        kwargs.setdefault("dtype", "float32")  # a bfloat16 would round the ids of the labels
        super().__init__(name=name, **kwargs)
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {NORMALIZATIONS}. "
                f"Received: normalization={normalization!r}"
            )
        if not isinstance(z_loss, (int, float)) or not 0 <= z_loss < float("inf"):
            raise ValueError(f"`z_loss` must be a number ≥ 0. Received: z_loss={z_loss!r}")
        self.z_loss = z_loss
        self.normalization = normalization

    def call(self, y_true, y_pred):
        """float32 (B, N), 0 where there is no label."""
        if y_true.shape[1] != y_pred.shape[1]:
            raise ValueError(
                "`y_true` must hold one label for each latent: pick them with "
                "`model.latent_labels(inputs, labels)` (`fit` does it by itself). Received: "
                f"y_true.shape={y_true.shape}, y_pred.shape={y_pred.shape}"
            )
        cross_entropy, z_loss = token_loss(y_true, y_pred, self.z_loss)
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
        return total / ops.maximum(ops.sum(ops.cast(y_true > 0, total.dtype)), 1.0)

    def get_config(self):
        return {**super().get_config(), "z_loss": self.z_loss, "normalization": self.normalization}
