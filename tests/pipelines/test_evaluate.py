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
    assert results["step"] == step
    assert results["split"] == "validation"
    assert {name: f"{results[name]:.6g}" for name in figures[step]} == figures[step]
    others = ["step", "split", "num_latents", "context", "stride", "flops_per_target"]
    others += ["ci95", "ci95_of", "documents", "loss_by_position", "loss_by_latent"]
    assert results.keys() == {*figures[step], *others}
    low, high = results["ci95"]
    assert low < results[results["ci95_of"]] < high
    assert (results["num_latents"], results["context"], results["stride"]) == (4, 8, 4)


def test_training_brings_the_figures_down(trained):
    _, figures = trained
    assert float(figures[6]["bits_per_byte"]) < float(figures[3]["bits_per_byte"])


def test_the_table_says_what_the_file_says(trained, tmp_path, capsys):
    results = measure(trained[0], tmp_path / "metrics.json")
    table = capsys.readouterr().out
    low, high = results.pop("ci95")
    assert re.search(rf"ci95\s*│\s*{low:.6f} … {high:.6f}\s*│ 95 % interval of", table)
    assert results.pop("ci95_of") == "bits_per_byte"
    for name in ("loss_by_position", "loss_by_latent"):
        assert name in table
        for row in results.pop(name):
            assert re.search(rf"│ {row['from']}\b.*│ {row['loss']:.6f}\s*│ {row['targets']}", table)
    for name, value in results.items():
        text = f"{value:.6f}" if isinstance(value, float) else str(value)
        text = f"{value:,}" if isinstance(value, int) else text
        text = f"{value:.3e}" if isinstance(value, float) and value >= 1e5 else text
        assert re.search(rf"{name}\s*│\s*{re.escape(text)}\s", table), name
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
    left = " (no word_perplexity: only whole documents are counted)"
    assert f"evaluating test: the first 5 of {total} batches{left}\n" in output.err
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


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory, books):
    """A run of two checkpoints, and a torn one between."""
    model_dir = tmp_path_factory.mktemp("steps") / "run"
    for step, scale in ((2, 0.5), (4, 0.3), (3, 0.4)):
        runs.save_untrained(model_dir, runs.text_flags(books), step, scale)
    (data,) = model_dir.glob("ckpt-3.data*")
    data.write_bytes(data.read_bytes()[:-100])
    return model_dir


def test_strides_score_each_target_once(two_steps, tmp_path):
    flags = ["--split=test", "--checkpoint=2", "--stride=1,2,4"]
    results = measure(two_steps, tmp_path / "metrics.json", *flags)["results"]
    assert [each["stride"] for each in results] == [1, 2, 4]
    assert len({each["targets"] for each in results}) == 1
    assert len({each["loss"] for each in results}) == 3
    costs = [each["flops_per_target"] for each in results]
    assert costs[0] == 2 * costs[1] == 4 * costs[2]
    # By the last latents alone, but at the beginning of a document, where there are no others.
    by_latent = results[0]["loss_by_latent"]
    assert by_latent[-1]["from"] == 2 and by_latent[-1]["targets"] > 0.9 * results[0]["targets"]
    block = measure(two_steps, tmp_path / "metrics.json", *flags[:2])
    assert block == {k: v for k, v in results[2].items() if k != "targets_per_second"}


def test_an_interrupted_sweep_leaves_what_is_done(two_steps, tmp_path, monkeypatch):
    said = []

    def interrupt(result):
        said.append(result)
        if len(said) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "_say", interrupt)
    output = tmp_path / "metrics.json"
    flags = ["--split=test", "--checkpoint=2", "--stride=1,2,4", f"--output={output}"]
    with pytest.raises(KeyboardInterrupt):
        evaluate.main([f"--model_dir={two_steps}", *flags])
    found = json.loads(output.read_text())
    assert found["complete"] is False
    assert [each["stride"] for each in found["results"]] == [1]


def test_all_checkpoints_make_a_curve(two_steps, tmp_path, capsys):
    flags = ["--checkpoint=all", f"--picture={tmp_path / 'curve.svg'}"]
    results = measure(two_steps, tmp_path / "metrics.json", *flags)["results"]
    output = capsys.readouterr()
    assert [each["step"] for each in results] == [2, 4]
    assert "warning: step 3 is left out: checkpoint" in output.err
    for each in results:
        alone = measure(two_steps, tmp_path / "one.json", f"--checkpoint={each['step']}")
        assert each.pop("targets_per_second") > 0
        assert alone == each
        said = f"step {each['step']}, latents 4, context 8, stride 4: bits_per_byte"
        assert f"{said} {each['bits_per_byte']:.5g}\n" in output.err
        assert re.search(rf"│\s+{each['step']} │\s+{each['bits_per_byte']:.5g} │", output.out)
    assert "<svg" in (tmp_path / "curve.svg").read_text()


def test_a_sweep_of_latents_and_contexts(two_steps, tmp_path):
    flags = ["--checkpoint=4", "--num_latents=1,4", "--context=4,8", "--batch_size=16"]
    results = measure(two_steps, tmp_path / "metrics.json", *flags)["results"]
    found = [(each["num_latents"], each["context"], each["stride"]) for each in results]
    assert found == [(1, 4, 1), (1, 8, 1), (4, 4, 4), (4, 8, 4)]
    assert len({each["loss"] for each in results}) == 4
    assert len({each["targets"] for each in results}) == 1
    assert results[0]["flops_per_target"] < results[1]["flops_per_target"]


def test_rows_shorter_than_the_context_are_those_of_a_model_that_takes_no_more(tmp_path, books):
    # The wavelengths of rotary positions would depend on the context.
    bindings = ["PerceiverARBackbone.positions = 'absolute'"]
    for name, more in (("long", []), ("short", ["CONTEXT = 5"])):
        flags = runs.text_flags(books, *bindings, *more)
        runs.save_untrained(tmp_path / name, flags, scale=0.5)
    one = measure(tmp_path / "long", tmp_path / "metrics.json", "--context=5")
    other = measure(tmp_path / "short", tmp_path / "metrics.json")
    assert one == other


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--stride=5"], "--stride must lie in 1 … 4"),
        (["--stride=0"], "--stride must be an integer ≥ 1, got 0"),
        (["--context=9"], "--context must lie in 1 … 8"),
        (["--num_latents=4,8", "--context=8,4"], "--num_latents=8 does not fit --context=4"),
        (["--num_latents=4,"], "--num_latents: must be integers with commas between, got '4,'"),
        (["--context=8,8"], "--context: names a number twice: '8,8'"),
        (["--checkpoint=newest"], "must be integers with commas between or all, got 'newest'"),
        (["--checkpoint=2,7"], "no checkpoint of step 7"),
        (["--picture=curve.gif"], "--picture must end in .png or .svg, got 'curve.gif'"),
        (["--split="], "unknown split '': choose train, validation, test"),
        (["--output=none/a.json"], "--output: cannot write 'none/a.json': there is no folder"),
        (["--picture=none/a.png"], "--picture: cannot write 'none/a.png': there is no folder"),
        (["--output=tests"], "--output: cannot write 'tests': it is a folder"),
        (["--output=a.png", "--picture=./a.png"], "--output and --picture are both 'a.png'"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(two_steps, capsys, flags, named):
    assert named in runs.refusal(capsys, evaluate.main, f"--model_dir={two_steps}", *flags)


def test_another_number_of_latents_is_another_measurement(tmp_path, books):
    runs.save_untrained(tmp_path / "run", runs.text_flags(books), scale=0.5)
    losses = [
        measure(tmp_path / "run", tmp_path / "metrics.json", f"--num_latents={number}")["loss"]
        for number in (1, 4, 8)
    ]
    assert len(set(losses)) == 3
    default = measure(tmp_path / "run", tmp_path / "metrics.json")["loss"]
    assert default == losses[1]
