"""Absolute positions: one row per position, added to the embedded inputs."""

import keras
from keras import ops

from keras_perceiver_ar import positions as positions_lib
from keras_perceiver_ar.checks import check_sizes

KINDS = (*positions_lib.TABLES, "learned")


@keras.saving.register_keras_serializable(package="keras_perceiver_ar")
class PositionEmbedding(keras.layers.Layer):
    """Looks positions up in one table per index dimension and sums the rows.

    Args:
        num_rows: int or tuple of int. Rows of the table, or of each table for inputs with P > 1
            index dimensions (images: x, y, channel). Text of context M needs M + 1 rows, because
            positions start at 1 and 0 is padding. Positions beyond a table are clipped to it.
        width: int. C.
        kind: "sinusoidal", "fourier", "linear" or "learned" (the original's 'random'). What the
            table starts from.
        trainable: bool or None. None trains a learned table and freezes any other. A frozen table
            that can be computed is a constant: no weight, nothing in the checkpoint or the
            optimizer. A frozen learned one is a weight that stays random.
        from_end: bool. Count positions back from the last valid input instead of reading them from
            the data (`use_positions_from_data=False`). The model that owns the layer does this.

    Call arguments:
        positions: int (B, S) or (B, S, P).

    Returns:
        (B, S, C).

    Raises:
        ValueError: an unknown kind, sizes that are none, or index dimensions that do not match.

    Example:
        >>> PositionEmbedding(33, 64)(keras.ops.ones((2, 32), "int32")).shape
        (2, 32, 64)

    Reference: `position_encoding_type='absolute'` of the original.
    """

    def __init__(
        self, num_rows, width, kind="sinusoidal", trainable=None, from_end=False, **kwargs
    ):
        trains = kind == "learned" if trainable is None else trainable
        super().__init__(trainable=trains, **kwargs)
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: kind={kind!r}")
        rows = num_rows if isinstance(num_rows, (list, tuple)) else (num_rows,)
        for size in rows or (0,):
            check_sizes(num_rows=size)
        check_sizes(width=width)
        self.num_rows = tuple(rows)
        self.width = width
        self.kind = kind
        self.from_end = from_end
        self._has_weights = trains or kind == "learned"

    negative = False  # no table has rows below 0

    @property
    def num_index_dimensions(self):
        """P, one for each table."""
        return len(self.num_rows)

    def build(self, positions_shape=None):
        for axis, rows in enumerate(self.num_rows if self._has_weights else ()):
            initializer = keras.initializers.TruncatedNormal(stddev=1.0)
            if self.kind != "learned":
                table = positions_lib.table(self.kind, rows, self.width)
                initializer = keras.initializers.Constant(table)
            name = f"table_{axis}"
            # An attribute each: `tf.train.Checkpoint` passes over lists of weights in silence.
            # Rows are looked up in float32 and rounded then, so that the gradient of a row that a
            # thousand inputs share is summed in float32: in bfloat16 such a sum stands still at 256
            # times what is added.
            weight = self.add_weight(
                name=name, shape=(rows, self.width), initializer=initializer, autocast=False
            )
            setattr(self, name, weight)
        self.built = True

    @property
    def tables(self):
        """The weights, one for each index dimension; none if the table is a constant."""
        axes = range(len(self.num_rows)) if self._has_weights else ()
        return [getattr(self, f"table_{axis}") for axis in axes]

    def call(self, positions):
        if len(positions.shape) == 2:
            positions = ops.expand_dims(positions, -1)
        if positions.shape[-1] != len(self.num_rows):
            raise ValueError(
                f"`positions` must have {len(self.num_rows)} index dimension(s), one for each "
                f"table of num_rows={self.num_rows}. Received: positions.shape={positions.shape}"
            )
        rows = [self._rows(axis, positions[..., axis]) for axis in range(len(self.num_rows))]
        return sum(rows[1:], rows[0])

    def _rows(self, axis, index):
        num_rows = self.num_rows[axis]
        if not self._has_weights:
            rows = positions_lib.table_rows(self.kind, index, num_rows, self.width)
            return ops.cast(rows, self.compute_dtype)
        rows = ops.take(self.tables[axis], ops.clip(index, 0, num_rows - 1), axis=0)
        return ops.cast(rows, self.compute_dtype)

    def compute_output_shape(self, positions_shape):
        return (*positions_shape[:2], self.width)

    def get_config(self):
        return {
            **super().get_config(),
            "num_rows": list(self.num_rows),
            "width": self.width,
            "kind": self.kind,
            "trainable": self.trainable,
            "from_end": self.from_end,
        }
