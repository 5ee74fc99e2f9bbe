"""The whole way, with a copy task so small that it is learned in seconds: train, evaluate,
generate, export, and a process with TensorFlow alone that completes a sequence.
"""

import json

import pytest

from pipelines import evaluate, generate, train
from savedmodels import export
from tests.pipelines import runs
from tests.savedmodels import exports

pytestmark = pytest.mark.slow

EASY = (
    "CopyTask.num_values = 8",
    "CopyTask.evaluation_examples = 512",
    "BATCH_SIZE = 128",
    "PerceiverARBackbone.width = 64",
    "PerceiverARBackbone.num_heads = 4",
    "STEPS = 300",
    "WARMUP_STEPS = 30",
    "DECAY_STEPS = 270",
    "LEARNING_RATE = 1e-2",
    "TrainSettings.steps_per_loop = 100",
)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """The folder of a model that mirrors three numbers from 0 to 7."""
    model_dir = tmp_path_factory.mktemp("learned")
    flags = [*runs.copy_flags(*EASY), f"--model_dir={model_dir}"]
    assert runs.call(train.main, *flags) == 0
    return model_dir


def test_the_mirrored_half_is_predicted(learned, tmp_path):
    flags = [f"--model_dir={learned}", f"--output={tmp_path / 'metrics.json'}"]
    assert runs.call(evaluate.main, *flags) == 0
    results = json.loads((tmp_path / "metrics.json").read_text())
    assert results["targets"] == 512 * 4
    assert results["accuracy"] >= 0.999


def test_generate_completes_a_sequence(learned, capsys):
    flags = [f"--model_dir={learned}", "--prompt=5 0 7", "--max_new_tokens=4", "--temperature=0"]
    capsys.readouterr()
    assert runs.call(generate.main, *flags) == 0
    assert capsys.readouterr().out == "5 0 7 7 0 5\n"


def test_the_served_model_completes_sequences(learned, tmp_path):
    flags = [f"--model_dir={learned}", f"--output={tmp_path}"]
    assert runs.call(export.main, *flags) == 0
    # A whole half, and one sequence that is short of its end only.
    token_ids, lengths = exports.padded([[2, 8, 3, 10], [2, 4, 5, 6, 6, 5, 4]])
    settings = exports.sampling(2, temperature=[0.0], max_new_tokens=(4, 1))
    answer = exports.ask_plain(
        tmp_path / "1", "generate", token_ids=token_ids, lengths=lengths, **settings
    )
    assert answer["token_ids"].tolist() == [
        [2, 8, 3, 10, 10, 3, 8, 1],
        [2, 4, 5, 6, 6, 5, 4, 1],
    ]
