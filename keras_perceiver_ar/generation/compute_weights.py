"""Weights in the dtype that a decode loop computes in."""

import contextlib

import keras
from keras import ops


def compute_weights(model):
    """A scope in which the matrices of the blocks are in the dtype that they are multiplied in.

    Under a policy such as "mixed_bfloat16" each product casts its matrix first. In a loop that is
    done at every step, and a step of few rows does little but read its weights: from float32 it
    would read twice as much, write the cast, and read that again.

    Args:
        model: `PerceiverARCausalLM`.

    Returns:
        Context manager.
    """
    cast = {}
    for block in model.backbone.latent_stack.blocks:
        if block.compute_dtype != block.variable_dtype:
            # Vectors are read in float32 by some; they are small.
            wide = (v for v in block.weights if len(v.shape) == 2 and v.dtype == "float32")
            cast |= {id(variable): block.compute_dtype for variable in wide}
    if not cast:
        return contextlib.nullcontext()
    scope = keras.StatelessScope()
    # All of them: within the scope nothing of one around it is seen.
    for variable in model.variables:
        value = ops.convert_to_tensor(variable.value)
        # Not through the constructor, which casts to the dtype of the variable.
        scope.add_update((variable, ops.cast(value, cast.get(id(variable), value.dtype))))
    return scope
