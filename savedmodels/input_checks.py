"""What a request must hold, as ops that refuse it by name. B batch, M inputs, T events."""

import tensorflow as tf


def check(condition, message, *values):
    """An op that fails with the message where a condition does not hold for all."""
    return tf.debugging.Assert(tf.reduce_all(condition), [message, *values], summarize=8)


def check_rows(**inputs):
    """Inputs of different numbers of rows would broadcast, or fail without a name; none at all."""
    first, *others = inputs.items()
    rows = tf.shape(first[1])[0]
    return [
        check(rows >= 1, f"{first[0]} must hold at least one row", rows),
        *(
            check(
                tf.equal(tf.shape(value)[0], rows),
                f"{name} must hold one number for each row of {first[0]}",
                tf.shape(value)[0],
                rows,
            )
            for name, value in others
        ),
    ]


def check_tokens(model, token_ids, lengths, least=1):
    """Ids are the model's, and lengths those of rows, `least` or more."""
    vocab_size = model.backbone.vocab_size
    width = tf.shape(token_ids)[1]
    return [
        check(
            (token_ids >= 0) & (token_ids < vocab_size),
            f"token_ids must lie in 0 … {vocab_size - 1}",
            token_ids,
        ),
        check(
            (lengths >= least) & (lengths <= width),
            f"lengths must lie between {least} and the width of token_ids",
            lengths,
        ),
    ]


def check_width(token_ids, max_context):
    """Rows are no wider than the context."""
    width = tf.shape(token_ids)[1]
    return check(
        width <= max_context,
        f"token_ids must not be wider than the context of {max_context}",
        width,
    )


def place_from_start(positions, token_ids):
    """Positions of rows that begin with their documents: int32 (B, T, P)."""
    rows, width = tf.unstack(tf.shape(token_ids))
    # The last one also stands for what would lie behind the end.
    index = tf.minimum(tf.range(width), positions.shape[0] - 1)
    places = tf.gather(tf.constant(positions, tf.int32), index)
    return tf.tile(places[None], (rows, 1, 1))
