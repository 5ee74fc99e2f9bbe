"""Greedy continuations of the original, with its memory and without."""

import numpy as np
import pytest

import keras_perceiver_ar as kpar
from tests.golden.cases import HERE, Case

NAMES = sorted(path.stem for path in (HERE / "decoding").glob("*.npz"))


@pytest.mark.parametrize("name", NAMES)
def test_greedy_continuation_in_the_original_s_mode(name):
    """Prefill with one latent, refill with half of them, or no cache at all."""
    golden = np.load(HERE / "decoding" / f"{name}.npz")
    case = Case(str(golden["case"]))
    model = kpar.convert.from_original(case.config, case.params)
    start, events = int(golden["start_step"]), golden["events"]
    # The original, too, writes one event more than its context, from inputs that fill it.
    new = model.backbone.max_context + 1 - start
    result = model.generate(
        {"token_ids": events[:, :start]},
        new,
        sampler="greedy",
        stop_ids=(),
        num_latents=int(golden["num_latents"]) if golden["use_memory"] else None,
        prefill=1,
        refill="half",
        use_cache=bool(golden["use_memory"]),
    )
    assert (result["token_ids"] == events[:, : start + new]).all()
    logits = golden["logits"][:, start : start + new].astype("float64")
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = events[:, start : start + new, None]
    wanted = np.take_along_axis(log_probs, chosen, axis=-1)[..., 0]
    np.testing.assert_allclose(result["log_probs"], wanted, rtol=0, atol=3e-5)
