import numpy as np
import pytest

import keras_perceiver_ar as kpar
from keras_perceiver_ar import positions as positions_lib
from tests.keras_perceiver_ar.layer_checks import check_gradient_of_rows, check_layer
from tests.keras_perceiver_ar.support import to_numpy

POSITIONS = np.array([[1, 2, 0], [5, 6, 7]], "int32")
PIXELS = np.array([[[1, 1, 1], [2, 4, 0]]], "int32")


@pytest.mark.parametrize(
    "kind, trainable, num_weights",
    [("sinusoidal", None, 0), ("sinusoidal", True, 1), ("learned", None, 1)],
)
def test_common_checks(tmp_path, kind, trainable, num_weights):
    config = {"num_rows": 8, "width": 6, "kind": kind, "trainable": trainable, "from_end": True}
    inputs = {"positions": POSITIONS}
    check_layer(kpar.layers.PositionEmbedding, config, inputs, (2, 3, 6), num_weights, tmp_path)


def test_common_checks_of_several_index_dimensions(tmp_path):
    config = {"num_rows": (3, 5, 2), "width": 6, "kind": "learned"}
    inputs = {"positions": PIXELS}
    check_layer(kpar.layers.PositionEmbedding, config, inputs, (1, 2, 6), 3, tmp_path)


def test_rows_of_the_sinusoidal_table():
    table = positions_lib.table("sinusoidal", 8, 6)
    for trainable in (False, True):
        layer = kpar.layers.PositionEmbedding(8, 6, trainable=trainable)
        np.testing.assert_allclose(to_numpy(layer(POSITIONS)), table[POSITIONS], atol=2e-7)


def test_rows_of_several_tables_are_summed():
    layer = kpar.layers.PositionEmbedding((3, 5, 2), 6, "learned")
    result = to_numpy(layer(PIXELS))
    x, y, channel = (to_numpy(table) for table in layer.tables)
    assert [table.shape for table in (x, y, channel)] == [(3, 6), (5, 6), (2, 6)]
    wanted = [x[1] + y[1] + channel[1], x[2] + y[4] + channel[0]]
    np.testing.assert_allclose(result[0], wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_positions_beyond_the_table_are_clipped(kind):
    layer = kpar.layers.PositionEmbedding(8, 6, kind)
    rows = to_numpy(layer(np.array([[-1, 0, 7, 8, 100]], "int32")))[0]
    assert (rows[0] == rows[1]).all()
    assert (rows[2] == rows[3]).all() and (rows[2] == rows[4]).all()
    assert (rows[1] != rows[2]).any()


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="Received: kind='random'"):
        kpar.layers.PositionEmbedding(8, 6, kind="random")


@pytest.mark.parametrize("kind", ["sinusoidal", "fourier", "linear"])
def test_a_frozen_table_is_a_constant_and_a_trained_one_starts_from_it(kind):
    frozen = kpar.layers.PositionEmbedding(600, 6, kind)
    trained = kpar.layers.PositionEmbedding(600, 6, kind, trainable=True)
    index = np.arange(600)[None]
    np.testing.assert_allclose(to_numpy(frozen(index)), to_numpy(trained(index)), atol=2e-6)
    assert frozen.weights == []
    assert len(trained.trainable_weights) == 1


def test_gradients_of_a_row_that_many_inputs_share_are_summed_in_float32():
    layer = kpar.layers.PositionEmbedding(5, 4, "learned", dtype="mixed_bfloat16")
    layer.build()
    check_gradient_of_rows(layer, np.repeat([[3], [1]], 2048, axis=1).astype("int32"))


def test_a_learned_table_that_does_not_train_is_no_weight_of_the_optimizer():
    layer = kpar.layers.PositionEmbedding(8, 6, "learned", trainable=False)
    layer(np.zeros((1, 2), "int32"))
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 1
    again = kpar.layers.PositionEmbedding.from_config(layer.get_config())
    assert not again.trainable


@pytest.mark.parametrize("num_rows, positions", [(8, PIXELS), ((3, 5, 2), POSITIONS)])
def test_index_dimensions_must_match_the_tables(num_rows, positions):
    layer = kpar.layers.PositionEmbedding(num_rows, 6)
    with pytest.raises(ValueError, match=r"index dimension.*num_rows=\("):
        layer(positions)


@pytest.mark.parametrize("arguments", [(0, 8), (5, 0), ((), 8), ((3, 0), 8), (2.5, 8)])
def test_sizes_that_are_none(arguments):
    with pytest.raises(ValueError, match="must be an integer ≥ 1"):
        kpar.layers.PositionEmbedding(*arguments)
