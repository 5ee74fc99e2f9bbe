import json
import math
import os
import subprocess
import sys

import pytest

from pipelines import command_line
from pipelines.benchmark import __main__ as benchmark
from pipelines.benchmark import workload
from tests.pipelines import shards

SIZES = ["--latents=8", "--layers=1", "--width=16", "--heads=2", "--batch=2"]
TIMING = ["--runs=2", "--warmup=1"]
STEP = ["train_step", "--context=32", *SIZES, *TIMING, "--loop=2"]
DECODE = ["decode", "--prompt=20", "--new_tokens=6", *SIZES, *TIMING]


@pytest.fixture
def without_tensorflow(tmp_path):
    """Environment of a machine that has Keras and JAX, but neither TensorFlow nor gin nor orbit."""
    for name in ("tensorflow", "gin", "orbit"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not installed')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": path}


def run(repository, environment, *arguments):
    command = [sys.executable, "-m", "pipelines.benchmark", *arguments]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)


def read(text):
    """The one record of standard output."""
    (line,) = text.splitlines()
    return json.loads(line)


def check_step(record, targets):
    assert record["command"] == "train_step"
    assert record["context"] == 32 and record["dtype"] == "bfloat16" and record["loop"] == 2
    assert 0 < record["min_ms"] <= record["median_ms"] <= record["max_ms"]
    seconds = record["median_ms"] / 1e3
    assert record["steps_per_second"] == pytest.approx(1 / seconds)
    assert record["targets_per_second"] == pytest.approx(targets / seconds)
    rate = record["matmul_tflops"] * 1e12
    assert record["mfu"] == pytest.approx(record["model_flops"] / seconds / rate)
    assert record["compile_s"] > 0
    assert record["peak_bytes"] > 0
    assert record["device"] == "cpu" and record["device_count"] == 1
    # Logits start from zeros or small: the loss is that of guessing, or a little better by now.
    assert record["loss"] == pytest.approx(math.log(259), rel=0.05)


@pytest.mark.slow
def test_train_step_on_tensorflow(capsys):
    assert benchmark.main([*STEP, "--no-jit"]) == 0
    record = read(capsys.readouterr().out)
    check_step(record, targets=2 * 8)
    assert record["backend"] == "tensorflow"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["transformer", "transformer_xl"])
def test_train_step_of_a_baseline_on_tensorflow(capsys, tmp_path, model):
    assert benchmark.main([*STEP, f"--model={model}", f"--trace={tmp_path}"]) == 0
    record = read(capsys.readouterr().out)
    check_step(record, targets=2 * 32)
    assert record["latents"] is None
    assert record["memory"] == (32 if model == "transformer_xl" else None)
    assert list(tmp_path.rglob("*.xplane.pb"))


@pytest.mark.slow
@pytest.mark.parametrize("model", workload.MODELS)
def test_train_step_on_jax_without_tensorflow(repository, without_tensorflow, tmp_path, model):
    arguments = [*STEP, f"--model={model}", "--rematerialize=blocks", f"--trace={tmp_path}"]
    done = run(repository, without_tensorflow, *arguments)
    assert done.returncode == 0, done.stderr
    record = read(done.stdout)
    check_step(record, targets=2 * (8 if model == "perceiver_ar" else 32))
    assert record["backend"] == "jax"
    assert record["temp_bytes"] > 0 and record["argument_bytes"] > 0
    assert list(tmp_path.rglob("*.xplane.pb"))


def check_decode(record):
    for part in ("prefill", "token"):
        assert record[f"{part}_min_ms"] <= record[f"{part}_median_ms"] <= record[f"{part}_max_ms"]
    assert record["prefill_min_ms"] > 0
    tokens = 2e3 / record["token_median_ms"]
    assert record["tokens_per_second"] == pytest.approx(tokens)
    bound = 1e3 * record["token_bytes"] / record["bytes_per_second"]
    assert record["bound_ms"] == pytest.approx(bound)
    assert record["context"] == 26 and "dropout" not in record


@pytest.mark.slow
def test_decode_on_tensorflow(capsys):
    assert benchmark.main(DECODE) == 0
    check_decode(read(capsys.readouterr().out))


@pytest.mark.slow
def test_decode_on_jax_without_tensorflow(repository, without_tensorflow):
    done = run(repository, without_tensorflow, *DECODE, "--refill=3", "--prefill=1")
    assert done.returncode == 0, done.stderr
    record = read(done.stdout)
    check_decode(record)
    assert record["refill"] == 3 and record["prefill"] == 1


@pytest.mark.parametrize("task", ["copy", "books"])
def test_input_pipeline(capsys, tmp_path, task):
    (tmp_path / "book.txt").write_text("some text\n" * 20)
    arguments = ["--task=books", f"--data={tmp_path}"] if task == "books" else []
    arguments += ["--context=33", "--batch=2", "--batches=3", *TIMING]
    assert benchmark.main(["input_pipeline", *arguments]) == 0
    record = read(capsys.readouterr().out)
    assert record["examples_per_second"] == pytest.approx(2 * record["batches_per_second"])
    assert record["tokens_per_second"] == pytest.approx(66 * record["batches_per_second"])
    assert 0 < record["min_ms"] <= record["median_ms"] <= record["max_ms"]


def test_input_pipeline_of_shards(capsys, tmp_path):
    shards.write_books(tmp_path / "raw", [900, 700, 800])
    made = shards.prepare(tmp_path / "raw", tmp_path / "shards")
    arguments = ["--task=shards", f"--data={tmp_path / 'shards'}", "--context=32", "--batch=2"]
    assert benchmark.main(["input_pipeline", *arguments, "--batches=3", *TIMING]) == 0
    record = read(capsys.readouterr().out)
    assert record["tokens_per_second"] == pytest.approx(64 * record["batches_per_second"])
    sizes = [shard.size for shard in made.splits["train"]]
    assert len(sizes) > 1
    assert record["read_mib"] == pytest.approx(sum(sizes) / 2**20)
    share = record["reader_mib_per_second"] / record["gfile_mib_per_second"]
    assert record["reader_share"] == pytest.approx(share)


def test_input_pipeline_without_tensorflow(repository, without_tensorflow):
    done = run(repository, without_tensorflow, "input_pipeline", "--context=32")
    assert (done.returncode, done.stdout) == (2, "")
    assert "TensorFlow" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_backend_that_is_not_installed(repository, without_tensorflow):
    environment = {**without_tensorflow, "KERAS_BACKEND": "tensorflow"}
    done = run(repository, environment, *STEP)
    assert (done.returncode, done.stdout) == (2, "")
    assert "KERAS_BACKEND" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "COMMAND"),
        (["nonsense"], "nonsense"),
        (["train_step", "--model=bert"], "bert"),
        (["train_step", "--positions=alibi"], "alibi"),
        (["train_step", "--context=many"], "many"),
        (["train_step", "--context=0"], "--context must be an integer ≥ 1 and ≤ 2147483647, got 0"),
        (["train_step", "--context=32", "--latents=33"], "--latents must be at most --context=32"),
        (["train_step", "--width=16", "--heads=3"], "--heads must divide --width=16, got 3"),
        (["train_step", "--width=6", "--heads=2"], "heads of 3 channels"),
        (["train_step", "--vocab=3"], "--vocab"),
        (["train_step", "--dropout=1"], "--dropout must be below 1"),
        (["train_step", "--runs=0"], "--runs"),
        ([*STEP, "--trace=/dev/null/x"], "/dev/null/x"),
        ([*STEP, "--attention=fused"], "--attention=fused cannot be had here"),
        (["train_step", f"--context={2**31}"], "--context must be an integer ≥ 1 and ≤ 2147483647"),
        (["decode", "--prompt=8", "--new_tokens=1"], "--new_tokens"),
        ([*DECODE, "--top_p=1.5"], "--top_p: must be > 0 and ≤ 1, got '1.5'"),
        ([*DECODE, "--top_p=0"], "--top_p"),
        (["input_pipeline", "--context=1"], "--context: must be an integer ≥ 2"),
        (["input_pipeline", "--context=100000000000"], "--context"),
        (["decode", "--prompt=8", "--new_tokens=2"], "--latents must be at most"),
        ([*DECODE, "--refill=9"], "refill"),
        (["input_pipeline", "--task=books"], "--data"),
        (["input_pipeline", "--task=copy", "--data=/tmp"], "--data"),
        (["input_pipeline", "--task=shards", "--data=/no/such/folder"], "/no/such/folder"),
        (["input_pipeline", "--task=books", "--data=/no/such/folder"], "/no/such/folder"),
        (["sweep", "--output=/tmp/x", "--models=perceiver_ar,gpt"], "gpt"),
        (["sweep", "--output=/tmp/x", "--contexts=8,x"], "--contexts"),
        (["sweep", "--output=/tmp/x", "--heads=3"], "--heads"),
        (["sweep", "--output=/dev/null/x"], "/dev/null/x"),
        (["export_hlo", "--output=/no/such/folder/step.hlo.pb", *STEP[1:-3]], "/no/such/folder"),
        (["export_hlo", "--output=x", "--platform=ROCM"], "ROCM"),
        (
            ["export_hlo", "--output=x", *STEP[1:-3], "--attention=fused"],
            "--attention=fused cannot be had here",
        ),
        (["chart", "--output=/no/such/folder"], "/no/such/folder"),
    ],
)
def test_bad_input_is_one_line_and_status_2(capsys, arguments, named):
    with pytest.raises(SystemExit) as ended:
        command_line.run(lambda: benchmark.main(arguments))
    output, errors = capsys.readouterr()
    assert ended.value.code == 2
    assert output == ""
    assert named in errors and len(errors.splitlines()) == 1


def test_out_of_memory_is_recorded(capsys, monkeypatch):
    from pipelines.benchmark import memory, train_step

    def measure(*_, **__):
        raise memory.OutOfMemory("no room\nfor 9 GiB")

    monkeypatch.setattr(train_step, "measure", measure)
    assert benchmark.main(STEP) == 3
    output, errors = capsys.readouterr()
    assert read(output)["oom"] is True and read(output)["context"] == 32
    assert errors == "error: out of memory: no room for 9 GiB\n"


@pytest.mark.parametrize("arguments", [STEP, DECODE, ["export_hlo", "--output=x", *STEP[1:-3]]])
def test_what_has_no_room_is_out_of_memory(capsys, arguments):
    # Two rows of a hundred million channels make a projection of 35 petabytes.
    assert benchmark.main([*arguments, "--width=100000000"]) == 3
    output, errors = capsys.readouterr()
    assert read(output)["oom"] is True
    assert errors.startswith("error: out of memory") and len(errors.splitlines()) == 1


def test_a_backend_that_nobody_knows(repository):
    done = run(repository, {**os.environ, "KERAS_BACKEND": "foo"}, *STEP)
    assert (done.returncode, done.stdout) == (2, "")
    assert "set KERAS_BACKEND" in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_first_id_of_the_batch_is_the_first_of_the_data():
    from keras_perceiver_ar.codecs import byte_codec

    assert workload.NUM_RESERVED == byte_codec.NUM_RESERVED
