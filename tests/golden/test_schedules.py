"""The original's learning rates, step by step."""

import json

import numpy as np
import pytest

from keras_perceiver_ar import training
from tests.golden.cases import HERE
from tests.keras_perceiver_ar.support import jitted, to_numpy

SCHEDULES = json.loads((HERE / "schedules.json").read_text())
CLASSES = {
    "constant": training.ConstantWithWarmup,
    "cosine": training.CosineWithWarmup,
    "steps": training.StepsWithWarmup,
    "t5": training.InverseSquareRoot,
}


def make(config, parity):
    """The schedule of a configuration of the original."""
    kind = config["schedule_type"]
    options = {}
    if kind != "constant":
        options["parity"] = parity
    if kind in ("cosine", "steps"):
        options["training_steps"] = config["training_steps"]
    if "cosine_decay_kwargs" in config:
        options["end_learning_rate"] = config["cosine_decay_kwargs"]["end_value"]
    return CLASSES[kind](
        config["base_lr"],
        warmup_steps=config["warmup_steps"],
        initial_learning_rate=config["warmup_initial_lr"],
        **options,
    )


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_step_is_the_original_s(name):
    golden = SCHEDULES[name]
    schedule = make(golden["config"], parity=True)
    rates = [float(to_numpy(schedule(step))) for step in range(len(golden["values"]))]
    # NaN in the original: it divided 0 by 0. A rate of 0 is what it went on with.
    assert golden["nonfinite"] == ([0] if name == "t5_nowarmup" else [])
    wanted = [0.0 if value is None else value for value in golden["values"]]
    np.testing.assert_allclose(rates, wanted, rtol=1e-6, atol=0)


def test_every_step_is_the_same_when_compiled():
    golden = SCHEDULES["cosine_end"]
    schedule = jitted(make(golden["config"], parity=True))
    rates = [float(schedule(np.int32(step))) for step in (0, 7, 20, 100, 169, 200)]
    wanted = [golden["values"][step] for step in (0, 7, 20, 100, 169, 200)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_what_is_corrected_differs_after_the_warmup_only(name):
    config = SCHEDULES[name]["config"]
    new, old = make(config, parity=False), make(config, parity=True)
    for step in range(config["warmup_steps"]):
        assert float(new(step)) == float(old(step))
    same = all(float(new(step)) == float(old(step)) for step in range(0, 201, 5))
    # Without a warm-up to be counted or not, only the division by 0 is left.
    assert same == (name not in ("cosine", "cosine_end", "steps", "t5_nowarmup"))
