"""One step of an optimizer, or none."""

import types

import tensorflow as tf


class GuardedUpdate:
    """Applies gradients that are sums over the replicas already, if they are numbers.

    A Keras optimizer would sum them over the replicas once more, which costs a pod as much as the
    first time, and has no way to leave a step out: inside of `strategy.run` its `apply` cannot
    stand in a `tf.cond`. So what it assigns is chosen at each assignment, where XLA fuses the
    choice with the arithmetic. A step that is left out leaves no trace in the weights, the
    optimizer's own variables or its count of steps; only a moving average moves on, to where the
    weights are.

    Args:
        optimizer: Keras optimizer, built. Of use for this alone from now on.
    """

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self._finite = None
        optimizer._all_reduce_sum_gradients = list
        optimizer._apply_weight_decay = self._apply_weight_decay
        for name in ("assign", "assign_add", "assign_sub"):
            setattr(optimizer, name, types.MethodType(self._guarded(name), optimizer))

    def __call__(self, gradients, finite):
        """Inside of `strategy.run`.

        Args:
            gradients: list of tensors, the same on every replica.
            finite: bool (). Whether to take the step.
        """
        # Under a MirroredStrategy each replica leaves its own, and one of them is read: they are
        # the same.
        self._finite = finite
        self.optimizer.apply(gradients)
        left_out = tf.cast(tf.logical_not(finite), self.optimizer.iterations.dtype)
        self.optimizer.iterations.assign_sub(left_out)
        self._finite = None

    def _guarded(self, name):
        assign = getattr(type(self.optimizer), name)

        def guarded(optimizer, variable, value):
            value = tf.convert_to_tensor(value)
            old = tf.zeros_like(value) if name != "assign" else tf.convert_to_tensor(variable)
            assign(optimizer, variable, tf.where(self._finite, value, tf.cast(old, value.dtype)))

        return guarded

    def _apply_weight_decay(self, variables):
        """Keras' own, through `assign_sub`."""
        optimizer = self.optimizer
        if optimizer.weight_decay is None:
            return

        def decay(variable):
            share = tf.cast(optimizer.learning_rate * optimizer.weight_decay, variable.dtype)
            optimizer.assign_sub(variable, variable * share)

        def decay_all(distribution, variables):
            for variable in variables:
                if optimizer._use_weight_decay(variable):
                    distribution.extended.update(variable, decay, group=False)

        tf.__internal__.distribute.interim.maybe_merge_call(
            decay_all, tf.distribute.get_strategy(), [variable.value for variable in variables]
        )
