"""A greedy continuation of the original, with its cache and through two of its refills.

The original fills its cache from a prompt with a single latent, which is not done here; from SOS
alone both hold the same latents at every step.
"""

import numpy as np

import keras_perceiver_ar as kpar
from tests.golden.cases import HERE, Case


def test_greedy_continuation_with_cache_and_refills():
    case = Case("a_abs_sinusoidal")
    golden = np.load(HERE / "decode_from_sos.npz")
    model = kpar.convert.from_original(case.config, case.params)
    result = model.generate({"token_ids": np.array([[2]])}, 31, sampler="greedy", stop_ids=())
    assert result["token_ids"][0].tolist() == golden["events"][:32].tolist()
    logits = golden["logits"][1:32].astype("float64")
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = log_probs[np.arange(31), golden["events"][1:32]]
    np.testing.assert_allclose(result["log_probs"][0], wanted, rtol=0, atol=3e-5)
