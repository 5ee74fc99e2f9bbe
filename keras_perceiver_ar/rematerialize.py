"""Computing again in the backward pass what would otherwise be kept."""

import keras
from keras import ops


def rematerialize(function, *arguments, variables=()):
    """Calls a function whose intermediate results are not kept for its gradient.

    The function must be pure: what it draws must follow from its arguments (see `randomness`), or
    it would draw something else the second time. `keras.remat` around a Keras layer with dropout
    does, and its gradients are silently wrong.

    Args:
        function: pure function of the arguments → tensor, or tuple of tensors.
        arguments: tensors, None or any Python values. Gradients flow to those of float dtype.
        variables: Keras variables that the function reads. Gradients flow to them, also where a
            `keras.StatelessScope` holds their values (TensorFlow would lose those of a closure).

    Returns:
        What the function returns.
    """
    count = len(arguments)
    everything = [*arguments, *(ops.convert_to_tensor(variable) for variable in variables)]
    # TensorFlow adds to whatever it is handed here, which booleans do not allow.
    differentiable = [_is_float(argument) for argument in everything]

    def recomputed(*floats):
        floats = iter(floats)
        filled = [
            next(floats) if is_float else argument
            for is_float, argument in zip(differentiable, everything, strict=True)
        ]
        values = zip(variables, filled[count:], strict=True)
        if not variables:
            return function(*filled)
        with keras.StatelessScope(state_mapping=list(values)):
            return function(*filled[:count])

    return keras.remat(recomputed)(
        *(part for is_float, part in zip(differentiable, everything, strict=True) if is_float)
    )


def _is_float(argument):
    if not hasattr(argument, "dtype"):
        return False
    return "float" in keras.backend.standardize_dtype(argument.dtype)
