"""Signatures whose rows are too long for all scores at once."""

import numpy as np
import pytest
import tensorflow as tf

from keras_perceiver_ar.attention import blockwise, dispatch
from keras_perceiver_ar.attention.dense import dense_attention
from savedmodels import signatures
from tests.keras_perceiver_ar.support import tiny_model
from tests.savedmodels import exports


def few_scores_alone(query, key, *arguments):
    """Dense attention where that is to be."""
    few = tf.debugging.Assert(tf.shape(key)[1] <= 11, [tf.shape(key)])
    with tf.control_dependencies([few]):
        return dense_attention(query, tf.identity(key), *arguments)


@pytest.mark.slow
def test_what_holds_blocks_of_keys_answers_as_what_holds_all_scores(monkeypatch):
    model = tiny_model(num_latents=6, num_layers=1)
    rows = exports.padded(([5] * 20, [2], [2, 9, 3, 17]))
    sampling = exports.sampling(3, temperature=(0.0,), max_new_tokens=(3,))
    inputs = [tf.constant(value) for value in (*rows, *sampling.values())]

    def answer():
        made = (signatures.make_score(model), signatures.make_generate(model))
        return [
            tf.function(function, input_signature=specs, autograph=False)(*inputs[: len(specs)])
            for function, specs in zip(
                made, (signatures.SCORE_INPUTS, signatures.generate_inputs()), strict=True
            )
        ]

    scores, generated = answer()
    monkeypatch.setattr(dispatch, "MOST_DENSE_SCORES", 6 * 2 * 11)
    monkeypatch.setattr(blockwise, "BLOCK", 8)
    monkeypatch.setattr(dispatch, "dense_attention", few_scores_alone)
    in_blocks, generated_in_blocks = answer()
    np.testing.assert_allclose(in_blocks["log_probs"], scores["log_probs"], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(generated_in_blocks["token_ids"], generated["token_ids"])
    np.testing.assert_allclose(
        generated_in_blocks["log_probs"], generated["log_probs"], rtol=0, atol=1e-5
    )
