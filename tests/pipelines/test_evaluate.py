import json
import math
import re

import pytest

from pipelines import evaluate
from tests.pipelines import runs


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    return runs.write_books(tmp_path_factory.mktemp("data") / "books")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, books):
    """A run that evaluated after steps 3 and 6: its folder, and its figures by step."""
    model_dir = tmp_path_factory.mktemp("trained")
    flags = [*runs.text_flags(books), f"--model_dir={model_dir}", "--mode=train_and_evaluate"]
    process = runs.start(
        "pipelines.train", *flags, *runs.bind("TrainSettings.evaluation_interval = 3")
    )
    status, out, err = runs.finish(process)
    assert status == 0, err
    lines = re.findall(r"^evaluation of step \d \| (.*)$", out, re.MULTILINE)
    figures = [dict(part.split(" ") for part in line.split(" | ")) for line in lines]
    return model_dir, dict(zip((3, 6), figures, strict=True))


def measure(model_dir, output, *flags):
    flags = [f"--model_dir={model_dir}", f"--output={output}", *flags]
    assert runs.call(evaluate.main, *flags) == 0
    return json.loads(output.read_text())


@pytest.mark.parametrize(("step", "flags"), [(6, []), (3, ["--checkpoint=3"])])
def test_a_checkpoint_alone_gives_the_figures_of_training(trained, tmp_path, step, flags):
    model_dir, figures = trained
    results = measure(model_dir, tmp_path / "metrics.json", *flags)
    assert results.pop("step") == step
    assert results.pop("split") == "validation"
    assert {name: f"{value:.6g}" for name, value in results.items()} == figures[step]


def test_training_brings_the_figures_down(trained):
    _, figures = trained
    assert float(figures[6]["bits_per_byte"]) < float(figures[3]["bits_per_byte"])


def test_the_table_says_what_the_file_says(trained, tmp_path, capsys):
    results = measure(trained[0], tmp_path / "metrics.json")
    table = capsys.readouterr().out
    for name, value in results.items():
        text = f"{value:.6f}" if isinstance(value, float) else str(value)
        assert re.search(rf"{name}\s*│\s*{text}\s", table), name
    assert re.search(r"bits_per_byte .* bits for each byte of text", table)
    assert re.search(r"loss .* nats for each target", table)


def test_the_batch_size_does_not_matter(trained, tmp_path):
    one, all_at_once = (
        measure(trained[0], tmp_path / "metrics.json", f"--batch_size={size}") for size in (1, 64)
    )
    assert one.keys() == all_at_once.keys()
    assert one["targets"] == all_at_once["targets"]
    assert one["loss"] == pytest.approx(all_at_once["loss"], rel=1e-6)


@pytest.fixture(scope="module")
def uniform(tmp_path_factory, books):
    """A run whose model has never been trained: all its logits are 0."""
    model_dir = tmp_path_factory.mktemp("uniform")
    runs.save_untrained(model_dir, runs.text_flags(books))
    return model_dir


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("num_latents", [None, 1, 8])
def test_bits_per_byte_of_a_uniform_model(uniform, books, tmp_path, split, num_latents):
    flags = [f"--split={split}"] + ([f"--num_latents={num_latents}"] if num_latents else [])
    results = measure(uniform, tmp_path / "metrics.json", *flags)
    sizes = [path.stat().st_size for path in (books / split).iterdir()]
    # Each byte is a target, and so is the end of each document.
    assert results["targets"] == sum(sizes) + len(sizes)
    assert results["loss"] == pytest.approx(math.log(259), rel=1e-6)
    expected = math.log2(259) * results["targets"] / sum(sizes)
    assert results["bits_per_byte"] == pytest.approx(expected, rel=1e-6)
    assert (results["split"], results["step"]) == (split, 0)


def test_a_part_of_a_split_says_so(uniform, books, tmp_path, capsys):
    flags = ["--batch_size=2", "--split=test"]
    whole = measure(uniform, tmp_path / "metrics.json", *flags)
    total = int(re.search(r"evaluating test: (\d+) batches\n", capsys.readouterr().err)[1])
    part = measure(uniform, tmp_path / "metrics.json", *flags, "--batches=5")
    output = capsys.readouterr()
    assert f"evaluating test: the first 5 of {total} batches\n" in output.err
    assert re.search(r"batches\s*│\s*5\s*│ scored", output.out)
    assert re.search(rf"batches_of_split\s*│\s*{total}\s*│", output.out)
    assert (part["batches"], part["batches_of_split"]) == (5, total)
    # Of a row of 4 latents every target is scored once, and here none of them is an end.
    assert part["targets"] == 5 * 2 * 4
    assert part["bits_per_byte"] == pytest.approx(math.log2(259), rel=1e-6)
    # Less the last batch: all but one document's end, and its last bytes.
    part = measure(uniform, tmp_path / "metrics.json", *flags, f"--batches={total - 1}")
    ends = round(part["targets"] * (1 - math.log2(259) / part["bits_per_byte"]))
    assert ends == len(list((books / "test").iterdir())) - 1
    for batches in ("all", total, total + 1):
        assert measure(uniform, tmp_path / "metrics.json", *flags, f"--batches={batches}") == whole


def test_a_run_may_evaluate_a_part_by_default(books, tmp_path):
    flags = runs.text_flags(books, "TrainSettings.evaluation_batches = 2")
    runs.save_untrained(tmp_path / "run", flags)
    part = measure(tmp_path / "run", tmp_path / "metrics.json")
    assert part["batches"] == 2
    whole = measure(tmp_path / "run", tmp_path / "metrics.json", "--batches=all")
    assert "batches" not in whole and part["targets"] < whole["targets"]


@pytest.mark.parametrize("number", ["0", "-1", "some", "1.5"])
def test_a_part_must_be_a_number(uniform, capsys, number):
    line = runs.refusal(capsys, evaluate.main, f"--model_dir={uniform}", f"--batches={number}")
    assert f"--batches: must be an integer ≥ 1 or all, got '{number}'" in line


def test_another_number_of_latents_is_another_measurement(tmp_path, books):
    runs.save_untrained(tmp_path / "run", runs.text_flags(books), scale=0.5)
    losses = [
        measure(tmp_path / "run", tmp_path / "metrics.json", f"--num_latents={number}")["loss"]
        for number in (1, 4, 8)
    ]
    assert len(set(losses)) == 3
    default = measure(tmp_path / "run", tmp_path / "metrics.json")["loss"]
    assert default == losses[1]
