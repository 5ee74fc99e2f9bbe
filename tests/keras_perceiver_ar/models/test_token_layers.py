import numpy as np

from keras_perceiver_ar.models.token_layers import make_token_embedding
from tests.keras_perceiver_ar.layer_checks import check_gradient_of_rows


def test_gradients_of_a_token_that_many_inputs_share_are_summed_in_float32():
    embedding = make_token_embedding(7, 4, "mixed_bfloat16")
    check_gradient_of_rows(embedding, np.repeat([[3], [1]], 2048, axis=1).astype("int32"))
