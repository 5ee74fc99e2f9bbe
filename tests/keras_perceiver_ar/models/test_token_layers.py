import h5py
import keras
import numpy as np
import pytest

from keras_perceiver_ar.models.token_layers import make_token_embedding
from tests.keras_perceiver_ar.layer_checks import check_gradient_of_rows
from tests.keras_perceiver_ar.support import random_ids, tiny_model, to_numpy

MANY_OF_ONE = np.repeat([[3], [1]], 2048, axis=1).astype("int32")


def test_gradients_of_a_token_that_many_inputs_share_are_summed_in_float32():
    check_gradient_of_rows(make_token_embedding(7, 4, "mixed_bfloat16"), MANY_OF_ONE)


@pytest.mark.parametrize(
    ("dtype", "rows"), [("mixed_bfloat16", "float32"), ("bfloat16", "bfloat16")]
)
def test_rows_come_in_the_dtype_of_the_weights_and_leave_in_that_of_the_model(dtype, rows):
    model = tiny_model("absolute", dtype=dtype)
    ids = random_ids(0, 2, 5)
    found = model.backbone.token_embedding(ids), model.backbone.embed(ids, ids)
    assert [keras.backend.standardize_dtype(x.dtype) for x in found] == [rows, "bfloat16"]


def test_weights_lie_where_files_of_before_have_them(tmp_path):
    # Keras names them by the class: one of our own would read no file that was ever written.
    tiny_model().save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert file["backbone/layers/embedding/vars/0"].shape == (20, 12)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_it_is_quantized_with_the_model_and_stays_so(tmp_path, dtype):
    model, ids = tiny_model(dtype=dtype), {"token_ids": random_ids(0, 2, 24)}
    model.quantize("int8")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.backbone.token_embedding.quantization_mode == "int8"
    np.testing.assert_array_equal(to_numpy(again(ids)), to_numpy(model(ids)))


def test_gradients_of_lora_are_summed_in_float32():
    embedding = make_token_embedding(7, 4, "mixed_bfloat16")
    embedding.enable_lora(2)
    embedding.lora_embeddings_b.assign(np.ones((2, 4)))
    embedding.lora_embeddings_b.trainable = False
    # Each look-up adds to its row of `a` what four channels of `b` are together, times α / r = 1.
    check_gradient_of_rows(embedding, MANY_OF_ONE, each=4)
