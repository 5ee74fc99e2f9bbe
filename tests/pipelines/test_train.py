import json

import numpy as np
import pytest

from pipelines import train
from tests.pipelines import runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Six steps in one go, looked at every three."""
    model_dir = tmp_path_factory.mktemp("whole")
    flags = runs.copy_flags("PerceiverARBackbone.dropout = 0.1")
    assert runs.call(train.main, *flags, f"--model_dir={model_dir}") == 0
    return model_dir


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """Three steps, lines of a run that was killed before its next checkpoint, then the rest."""
    model_dir = tmp_path_factory.mktemp("resumed")
    flags = [*runs.copy_flags("PerceiverARBackbone.dropout = 0.1"), f"--model_dir={model_dir}"]
    assert runs.call(train.main, *flags, *runs.bind("STEPS = 3")) == 0
    with open(model_dir / "train_log.jsonl", "a") as log:
        log.write('{"step": 5, "loss": 1.0}\n{"step": 6, "lo')
    assert runs.call(train.main, *flags) == 0
    return model_dir


def read_log(model_dir):
    return [json.loads(line) for line in (model_dir / "train_log.jsonl").read_text().splitlines()]


def test_a_resumed_run_ends_with_the_same_numbers_bit_for_bit(whole, resumed):
    expected, actual = runs.saved_values(whole, 6), runs.saved_values(resumed, 6)
    assert actual.keys() == expected.keys()
    differing = [name for name in expected if not np.array_equal(actual[name], expected[name])]
    assert not differing


def test_every_weight_is_trained(whole):
    before, after = runs.saved_values(whole, 3), runs.saved_values(whole, 6)
    still = [
        name
        for name in before
        # A bias of the keys shifts all scores of a query alike: its gradient is rounding alone.
        if name.startswith("model/") and np.array_equal(before[name], after[name])
    ]
    assert not [name for name in still if "key" not in name]


def test_the_log_goes_on_where_the_checkpoint_is(whole, resumed):
    expected, actual = read_log(whole), read_log(resumed)
    assert [record["step"] for record in actual] == [1, 2, 3, 4, 5, 6]
    assert actual == expected


def test_the_learning_rate_warms_up_and_decays(whole):
    # Warm-up over steps 0 and 1 to 0.003, then a cosine over 4 steps.
    expected = [0.0, 1.5e-3] + [0.5 * 3e-3 * (1 + np.cos(np.pi * s / 4)) for s in range(4)]
    rates = [record["learning_rate"] for record in read_log(whole)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-10)


def test_the_directory_holds_everything_to_go_on(whole):
    names = {path.name for path in whole.iterdir()}
    assert {"checkpoint", "ckpt-3.index", "ckpt-6.index", "model.json"} <= names
    assert {"operative_config.gin", "train_log.jsonl"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)


def test_progress_says_all_that_is_promised(tmp_path, capsys):
    flags = runs.copy_flags("STEPS = 1")
    assert runs.call(train.main, *flags, f"--model_dir={tmp_path}") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    for part in ("step 1/1", "loss 5.5568 nats", "accuracy 0.0000", "steps/s", "targets/s"):
        assert part in line  # 5.5568 = log 259: the first logits are 0
