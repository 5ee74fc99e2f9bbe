"""Log-probabilities of given sequences."""

from keras import ops

from keras_perceiver_ar import masks


def score(model, inputs, num_positions):
    """`PerceiverARCausalLM.score`, where it is documented."""
    token_ids, lengths, positions = model.backbone.read_inputs(inputs)
    num_inputs = ops.shape(token_ids)[1]  # a tensor, where a served model takes any width
    if token_ids.shape[1] is not None:
        num_positions = min(num_positions, token_ids.shape[1])
    num_latents = num_positions * model.backbone.latents_per_position
    index = ops.arange(num_inputs, dtype="int32")
    following = ops.concatenate([token_ids[:, 1:], ops.zeros_like(token_ids[:, :1])], axis=1)

    def score_block(block, scores):
        # The last input predicts nothing that is there to be scored.
        ends = ops.maximum(lengths - 1 - block * num_positions, 0)
        steps = masks.latent_steps(ends, num_positions)
        logits = model(
            {"token_ids": token_ids, "lengths": ends, "positions": positions},
            num_latents=num_latents,
        )
        labels = masks.gather_at_steps(following, steps)
        log_probs = token_log_probs(logits, labels)
        # Input i is predicted by the latent on step i − 1, which is number i − 1 − (end − U).
        latent = index - 1 - ops.expand_dims(ends - num_positions, 1)
        there = ops.logical_and(latent >= 0, latent < num_positions)
        there = ops.logical_and(
            there, ops.logical_and(index > 0, index <= ops.expand_dims(ends, 1))
        )
        found = ops.take_along_axis(log_probs, ops.clip(latent, 0, num_positions - 1), axis=1)
        return ops.where(there, found, scores)

    scores = ops.full(ops.shape(token_ids), float("nan"), dtype="float32")
    num_blocks = ops.floor_divide(ops.max(lengths, initial=0) - 2 + num_positions, num_positions)
    return ops.fori_loop(0, num_blocks, score_block, scores)


def token_log_probs(logits, token_ids):
    """Log-softmax at the given ids: logits (…, V), ids int (…) → float32 (…)."""
    log_probs = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    return ops.take_along_axis(log_probs, ops.expand_dims(token_ids, -1), axis=-1)[..., 0]
