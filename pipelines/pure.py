"""Models and optimizers without tensors of their own, for steps that are functions of arrays."""

import contextlib
import types

import keras

# What Keras' optimizer for TensorFlow does with `tf.Variable`s, and which a pure function cannot:
# its plain optimizer's own, which respect a StatelessScope, are put back.
_OF_VARIABLES = ("assign", "assign_add", "assign_sub", "_backend_update_step", "_var_key")
_OF_VARIABLES += ("stateless_apply", "add_variable_from_reference", "_apply_weight_decay")


@contextlib.contextmanager
def shapes_alone():
    """A model that is made within has no weights: the largest would take gigabytes."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    # Else Keras would make them at the end of the next such scope.
    keras.utils.clear_session()


def make_stateless(optimizer):
    """Gives an optimizer a `stateless_apply`, which Keras refuses on TensorFlow.

    Args:
        optimizer: Keras optimizer that is not built yet.
    """
    plain = next(kind for kind in keras.Optimizer.__mro__ if kind.__name__ == "BaseOptimizer")
    for name in _OF_VARIABLES:
        setattr(optimizer, name, types.MethodType(getattr(plain, name), optimizer))
