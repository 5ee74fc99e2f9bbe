import numpy as np
import pytest

from keras_perceiver_ar.training import SM3
from tests.keras_perceiver_ar.training.optimizers.formulas import gradients, trajectory


def test_a_matrix_by_hand():
    # Largest sums of rows and columns after step 1: (4, 1) and (4, 1). The least of its row's and
    # its column's is what a weight starts step 2 with: 4, 1 / 1, 1. Then comes its own square.
    steps = [np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([[0.0, 3.0], [2.0, 0.0]])]
    first, second = trajectory(SM3(1.0, momentum=0.0, epsilon=0.0), np.zeros((2, 2)), steps)
    np.testing.assert_allclose(first, [[-1, -1], [0, -1]], rtol=1e-6)
    moved = [[0, 3 / np.sqrt(10)], [2 / np.sqrt(5), 0]]
    np.testing.assert_allclose(first - second, moved, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4)])
def test_the_paper_s_algorithm(shape):
    rank, steps = len(shape), gradients(shape)
    value, mean = np.zeros(shape), 0
    sums = [np.zeros(shape)] * max(rank, 1)
    for gradient, weights in zip(steps, trajectory(SM3(0.5, 0.9), value, steps)):
        total = np.min(sums, axis=0) + np.square(gradient)
        mean = 0.9 * mean + 0.1 * gradient / np.sqrt(total + 1e-8)
        value = value - 0.5 * mean
        np.testing.assert_allclose(weights, value, rtol=2e-6, atol=1e-7)
        others = [tuple(i for i in range(rank) if i != axis) for axis in range(max(rank, 1))]
        sums = [
            np.broadcast_to(total.max(axes, keepdims=True) if axes else total, shape)
            for axes in others
        ]


def test_a_vector_is_adagrad():
    steps = gradients((5,))
    *_, last = trajectory(SM3(1.0, momentum=0.0, epsilon=0.0), np.zeros(5), steps)
    sums = np.cumsum(np.square(steps), axis=0)
    np.testing.assert_allclose(last, -(steps / np.sqrt(sums)).sum(0), rtol=1e-5, atol=1e-6)


def test_the_memory_is_a_number_for_each_index_of_each_axis():
    optimizer = SM3()
    list(trajectory(optimizer, np.zeros((20, 30)), gradients((20, 30), 1)))
    sizes = sorted(int(np.prod(variable.shape)) for variable in optimizer.variables)
    assert sizes == [1, 1, 20, 30, 600]  # step, learning rate, rows, columns, momentum
