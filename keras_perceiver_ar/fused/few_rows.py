"""What a matrix product of few rows is made of on a GPU."""

from keras_perceiver_ar.fused.device import is_jax_gpu

ROWS = 8


def copies(rows):
    """How often rows are to be there, so that their product with a matrix is a fast one.

    XLA writes a product of a vector as a multiplication and a sum, which take twice the time of the
    kernel that 8 rows get; the matrix is read once in both.

    Args:
        rows: int.

    Returns:
        int, 1 wherever that is not so.
    """
    return -(-ROWS // rows) if is_jax_gpu() else 1
