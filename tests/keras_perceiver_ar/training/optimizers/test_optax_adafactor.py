import numpy as np
import pytest

from keras_perceiver_ar.training import OptaxAdafactor
from tests.keras_perceiver_ar.training.optimizers.formulas import gradients, trajectory


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


def by_hand(start, gradients, rate, axes=None, threshold=1.0, scaled=True):
    """The algorithm in float64. The axes are the two that are reduced."""
    value, squares, rows, columns = start, 0, 0, 0
    for step, gradient in enumerate(gradients, 1):
        kept, new = 1 - step**-0.8, step**-0.8
        square = gradient**2 + 1e-30
        if axes is None:
            squares = kept * squares + new * square
            mean = squares
        else:
            # Both means keep their axis, with the length 1.
            rows = kept * rows + new * square.mean(axes[1], keepdims=True)
            columns = kept * columns + new * square.mean(axes[0], keepdims=True)
            mean = rows * columns / rows.mean(axes[0], keepdims=True)
        update = gradient / np.sqrt(mean)
        update = update / max(1, rms(update) / threshold)
        value = value - rate * update * (max(rms(value), 1e-3) if scaled else 1)
        yield value


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((6,), None),
        ((3, 7), None),
        ((4, 5), (0, 1)),
        ((5, 4), (1, 0)),
        ((4, 4), (0, 1)),
        ((6, 2, 5), (2, 0)),
        ((3, 4, 9), (1, 2)),
    ],
)
def test_large_matrices_are_factored_at_their_longest_axes(shape, axes):
    start, steps = gradients(shape, 1)[0], gradients(shape)
    optimizer = OptaxAdafactor(0.1, min_size_to_factor=4)
    found = trajectory(optimizer, start, steps)
    for weights, wanted in zip(found, by_hand(start, steps, 0.1, axes)):
        np.testing.assert_allclose(weights, wanted, rtol=1e-5, atol=1e-6)
    assert optimizer.factored_axes(shape) == axes


@pytest.mark.parametrize("threshold", [0.25, 2.0])
def test_a_step_is_held_under_the_threshold(threshold):
    start, steps = gradients((3, 3), 1)[0], gradients((3, 3))
    found = trajectory(OptaxAdafactor(0.1, clip_threshold=threshold), start, steps)
    for weights, wanted in zip(found, by_hand(start, steps, 0.1, threshold=threshold)):
        np.testing.assert_allclose(weights, wanted, rtol=1e-5, atol=1e-6)


def test_steps_without_scale_and_threshold():
    start, steps = 5 * gradients((3, 3), 1)[0], gradients((3, 3))
    optimizer = OptaxAdafactor(0.1, clip_threshold=None, scale_by_variable=False)
    wanted = by_hand(start, steps, 0.1, threshold=np.inf, scaled=False)
    for weights, number in zip(trajectory(optimizer, start, steps), wanted):
        np.testing.assert_allclose(weights, number, rtol=1e-5, atol=1e-6)


def test_the_rate_is_taken_as_it_is():
    # Keras' own would hold it under 1 / √step.
    start, steps = np.ones((2, 2)), [np.ones((2, 2))] * 3
    *_, last = trajectory(OptaxAdafactor(3.0, scale_by_variable=False), start, steps)
    np.testing.assert_allclose(last, 1 - 3 * 3.0, rtol=1e-6)


def test_zeros_move():
    (weights,) = trajectory(OptaxAdafactor(1.0), np.zeros(3), [np.ones(3)])
    np.testing.assert_allclose(weights, -1e-3, rtol=1e-6)


def test_the_memory_of_a_factored_matrix():
    optimizer = OptaxAdafactor()
    list(trajectory(optimizer, np.zeros((130, 200)), gradients((130, 200), 1)))
    sizes = sorted(int(np.prod(variable.shape)) for variable in optimizer.variables)
    assert sizes == [1, 1, 130, 200]  # step, learning rate, rows, columns
