"""Keys and values of whole prompts, a part of the events at a time.

B batch, T room for events, H heads, D head width.
"""

import keras
from keras import ops

from keras_perceiver_ar.fused import in_place
from keras_perceiver_ar.fused.device import is_jax_gpu

# Events of all rows together that are projected at once: what lies between an event and its keys
# (its embedding, its norm, the keys before they are rotated) is wider than they are. TensorFlow
# begins ten parts at once.
EVENTS = 8192 if is_jax_gpu() else 1024


def keys_and_values(project, token_ids, positions):
    """Keys and values of every event of each row.

    Args:
        project: function of int32 (B, S) and (B, S) or (B, S, P), ids and positions of S events →
            a structure of (B, S, …).
        token_ids: int32 (B, T).
        positions: int32 (B, T) or (B, T, P).

    Returns:
        The structure with (B, T, …).
    """
    batch, room = ops.shape(token_ids)
    static = token_ids.shape[0] is not None and token_ids.shape[1] is not None
    if static and batch * room <= EVENTS:
        return project(token_ids, positions)
    least, most = (min, max) if static else (ops.minimum, ops.maximum)
    chunk = least(room, most(EVENTS // batch, 1))
    first = project(token_ids[:, :1], positions[:, :1])
    if not keras.tree.flatten(first):
        return first
    # All of a buffer is written, so it may begin as anything. With a number of its own, known at
    # run time alone: TensorFlow would keep a constant for ever and copy it first, and where two
    # begin alike both backends would make one, and copies of it.
    anything = ops.minimum(token_ids[0, 0], 0)
    numbers = iter(range(len(keras.tree.flatten(first))))

    def begin(part):
        number = ops.cast(anything + next(numbers), part.dtype)
        return ops.broadcast_to(number, (batch, room, *part.shape[2:]))

    buffers = keras.tree.map_structure(begin, first)

    def fill(number, buffers):
        # The last part begins earlier, and some events come twice, rather than run over the end.
        start = ops.minimum(number * chunk, room - chunk)
        part = project(_part(token_ids, start, chunk), _part(positions, start, chunk))
        return keras.tree.map_structure(
            lambda buffer, new: in_place.write(buffer, start, new), buffers, part
        )

    return ops.fori_loop(0, -(-room // chunk), fill, buffers)


def _part(values, start, count):
    rest = ops.shape(values)[2:]
    begin = (0, start, *[0] * len(rest))
    return ops.slice(values, begin, (ops.shape(values)[0], count, *rest))
