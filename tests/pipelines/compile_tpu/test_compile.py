"""Tiny steps, lowered by TensorFlow and compiled by the TPU compiler: `make test-tpu-compile`."""

import json
import os
import subprocess
import sys

import pytest

from pipelines.compile_tpu import environments
from pipelines.compile_tpu.flags import STEPS
from tests.pipelines import runs

pytestmark = [pytest.mark.slow, pytest.mark.tpu_compile]

READY = environments.LOWER.is_ready and environments.COMPILE.is_ready
if not READY:
    pytest.skip("`make test-tpu-compile` makes the environments", allow_module_level=True)


def compile_tpu(tmp_path, *flags, run="copy_32_tiny"):
    """Status, what was said on standard error, and the record that was kept."""
    file = tmp_path / "records.jsonl"
    command = [sys.executable, "-m", "pipelines.compile_tpu", f"--output={file}"]
    command += [f"--gin_file=gin/runs/{run}.gin", "--topology=v5e:2x2", *flags]
    environment = {**os.environ, "PYTHONPATH": str(runs.ROOT)}
    # From elsewhere: gin files are looked up in the repository too.
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    record = json.loads(file.read_text()) if file.exists() else None
    return done.returncode, done.stderr, record


@pytest.mark.parametrize("step", STEPS)
def test_a_step_compiles(tmp_path, step):
    status, said, record = compile_tpu(tmp_path, f"--step={step}")
    assert status == 0, said
    assert record["devices"] == 4 and record["device_kind"] == "TPU v5 lite"
    assert record["parameters"] * 4 < record["hbm_bytes"] < 2**28
    assert record["collectives"] == ({"all-reduce": 1} if step == "train" else {})
    # Of a generation the hand counts the prompts' forward pass alone.
    most = 1.1 if step != "decode" else 1.5
    assert 0.9 < record["flops"] / record["hand_flops"] < most


def test_microbatches_take_less_memory_and_their_loop_counts_once(tmp_path):
    (tmp_path / "one").mkdir(), (tmp_path / "four").mkdir()
    binding = "--gin_bindings=TrainSettings.num_microbatches = {}\nBATCH_SIZE = 16384"
    *_, one = compile_tpu(tmp_path / "one", binding.format(1))
    status, said, four = compile_tpu(tmp_path / "four", binding.format(4))
    assert status == 0, said
    assert four["temp_bytes"] < 0.5 * one["temp_bytes"]
    assert 0.2 < four["flops"] / one["flops"] < 0.3


def test_images_in_bfloat16_computed_again_without_their_data(tmp_path):
    flags = ["--gin_file=gin/runtime/tpu.gin", "--vocab_size=259"]
    status, said, record = compile_tpu(tmp_path, *flags, run="imagenet64_tiny")
    assert status == 0, said
    assert record["dtype"] == "bfloat16" and record["rematerialize"] is True


def test_a_batch_that_is_too_large_is_refused_in_one_line(tmp_path):
    status, said, record = compile_tpu(tmp_path, "--gin_bindings=BATCH_SIZE = 1000000")
    assert status == 1
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: does not fit v5e:2x2: {record['refused']}"]
    assert errors[0] == said.splitlines()[-1]
    assert "memory" in errors[0] and "exceeds available HBM (15.75G)" in errors[0]
