"""What may come next, of all that the model would say. B batch, V vocabulary."""

from keras import ops

from keras_perceiver_ar.codecs.event_ids import NUM_RESERVED
from keras_perceiver_ar.generation import draw, history


class Constraints:
    """Reserved ids, a repetition penalty and masks, as part of a loop.

    Args:
        vocab_size: int. V.
        stop_ids: tuple of int. Reserved ids that are not among them never come.
        masks: tuple of `LogitMask`.
        penalty: float32 (B,) or None.
    """

    def __init__(self, vocab_size, stop_ids, masks=(), penalty=None):
        self._vocab_size = vocab_size
        self._forbidden = [number for number in range(NUM_RESERVED) if number not in stop_ids]
        self._stop_ids, self._masks, self._penalty = stop_ids, masks, penalty
        self.needs_places = penalty is not None or any(mask.needs_last_places for mask in masks)

    def places(self, token_ids, lengths):
        """`History.last_places` of prompts; () where nothing asks for them."""
        if not self.needs_places:
            return ()
        return history.last_places(token_ids, lengths, self._vocab_size)

    def stops(self, token_ids):
        """Which tokens end their rows: int32 (B,) → bool (B,)."""
        stopped = ops.zeros_like(token_ids, dtype="bool")
        for token_id in self._stop_ids:
            stopped = ops.logical_or(stopped, ops.equal(token_ids, token_id))
        return stopped

    def apply(self, logits, token_ids, lengths, places):
        """Logits after penalty and masks, −∞ for what may not come.

        Args:
            logits: float32 (B, V).
            token_ids: int32 (B, T).
            lengths: int32 (B,).
            places: of `places`.

        Returns:
            float32 (B, V), and bool (B,): rows for which nothing is allowed.

        Raises:
            ValueError: a mask of another vocabulary.
        """
        logits = draw.forbid(logits, self._forbidden)
        if self._penalty is not None:
            logits = draw.penalize(logits, places >= 0, self._penalty)
        if not self._masks:
            return logits, ops.zeros(ops.shape(lengths), "bool")
        so_far = history.History(token_ids, lengths, places if self.needs_places else None)
        for mask in self._masks:
            logits = ops.where(self._allowed(mask, so_far), logits, draw.NEVER)
        return logits, ops.all(ops.equal(logits, draw.NEVER), axis=-1)

    def _allowed(self, mask, so_far):
        allowed = mask(so_far)
        if allowed.shape[-1] != self._vocab_size:
            raise ValueError(
                f"{mask} is for a vocabulary of {allowed.shape[-1]}, and that of the model is "
                f"{self._vocab_size}."
            )
        return allowed
