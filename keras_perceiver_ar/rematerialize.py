"""Computing again in the backward pass what would otherwise be kept."""

import keras


def rematerialize(function, *arguments):
    """Calls a function whose intermediate results are not kept for its gradient.

    The function must be pure: what it draws must follow from its arguments (see `randomness`), or
    it would draw something else the second time. `keras.remat` around a Keras layer with dropout
    does, and its gradients are silently wrong.

    Args:
        function: pure function of the arguments → tensor, or tuple of tensors.
        arguments: tensors, None or any Python values. Gradients flow to those of float dtype.

    Returns:
        What the function returns.
    """
    # TensorFlow adds to whatever it is handed here, which booleans do not allow.
    differentiable = [_is_float(argument) for argument in arguments]

    def recomputed(*floats):
        floats = iter(floats)
        return function(
            *(
                next(floats) if is_float else argument
                for is_float, argument in zip(differentiable, arguments, strict=True)
            )
        )

    floats = [
        argument for is_float, argument in zip(differentiable, arguments, strict=True) if is_float
    ]
    return keras.remat(recomputed)(*floats)


def _is_float(argument):
    if not hasattr(argument, "dtype"):
        return False
    return "float" in keras.backend.standardize_dtype(argument.dtype)
