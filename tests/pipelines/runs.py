"""Tiny runs of the commands, in this process or in one of their own."""

import contextlib
import hashlib
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

import gin
from pipelines import checkpoints, command_line, configuration, gin_reading
from pipelines.distribution import Distribution

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE = 600.0  # seconds a process may take on a busy machine before the test gives up

TINY = (
    "CONTEXT = 8",
    "LATENTS = 4",
    "BATCH_SIZE = 4",
    "STEPS = 6",
    "WARMUP_STEPS = 2",
    "DECAY_STEPS = 4",
    "PerceiverARBackbone.num_layers = 1",
    "PerceiverARBackbone.width = 16",
    "PerceiverARBackbone.num_heads = 2",
    "TrainSettings.steps_per_loop = 3",
    "TrainSettings.checkpoint_interval = 3",
)
TINY_COPY = ("CopyTask.length = 8", "CopyTask.evaluation_examples = 6")
# Characters of one to four bytes.
TEXT = "Größe – naïve 𝄞 notes, ÷ and plain words.\n"


def bind(*bindings):
    """Flags of gin bindings."""
    return [f"--gin_bindings={binding}" for binding in bindings]


def copy_flags(*bindings):
    """Flags of a run of the copy task with sequences of 8."""
    return ["--gin_file=gin/runs/copy_32_tiny.gin", *bind(*TINY, *TINY_COPY, *bindings)]


def text_flags(folder, *bindings):
    """Flags of a run on a folder of text."""
    data = f"DATA = '{folder}'"
    return ["--gin_file=gin/runs/text_tiny.gin", *bind(*TINY, data, *bindings)]


def write_books(folder):
    """A folder in PG-19's layout with some text in every split."""
    for number, split in enumerate(("train", "validation", "test"), 1):
        (folder / split).mkdir(parents=True)
        for book in range(number):
            text = f"{split} {book}: {TEXT}" * (3 if split == "train" else 1)
            (folder / split / f"{book}.txt").write_bytes(text.encode("utf-8"))
    return folder


def call(main, *arguments):
    """Exit status of a command that runs in this process, as `command_line.run` runs it."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(number) for number in numbers]
    gin.clear_config()
    try:
        with pytest.raises(SystemExit) as ended:
            command_line.run(lambda: main([str(argument) for argument in arguments]))
        return ended.value.code
    finally:
        gin.clear_config()
        for number, handler in zip(numbers, handlers):
            signal.signal(number, handler)


def refusal(capsys, main, *arguments):
    """What a command that refuses its input says: one line on stderr, with status 2."""
    capsys.readouterr()
    assert call(main, *arguments) == command_line.BAD_INPUT
    return error_line(capsys.readouterr().err)


def refusal_after(begin, capsys, main, *arguments):
    """The line of a refusal that comes after others, all of which begin with this (or one of)."""
    capsys.readouterr()
    assert call(main, *arguments) == command_line.BAD_INPUT
    lines = capsys.readouterr().err.splitlines(keepends=True)
    assert lines[:-1] and all(line.startswith(begin) for line in lines[:-1])
    return error_line(lines[-1])


def error_line(stderr):
    """The single line of a refusal."""
    assert stderr.startswith("error: "), stderr
    assert stderr.count("\n") == 1 and stderr.endswith("\n"), stderr
    assert len(stderr) < 1000, stderr
    return stderr


def save_untrained(model_dir, flags, step=0, scale=0.0):
    """Leaves the directory of a run that stopped at once.

    With a scale the weights are normal numbers of this deviation, so that no token is as likely as
    another; without, they are those of a new model, whose logits are 0.

    Returns:
        `PerceiverARCausalLM`.
    """
    gin.clear_config()
    parser = command_line.parser("test", "")
    command_line.add_gin_flags(parser, required=True)
    flags = parser.parse_args(flags)
    configuration.parse(flags.gin_file, flags.gin_bindings)
    for part in (configuration.TrainSettings, Distribution):
        gin_reading.make(part)
    experiment = gin_reading.make(configuration.Experiment)
    model = experiment.make_model()
    optimizer = experiment.make_optimizer()
    optimizer.build(model.trainable_variables)
    if scale:
        generator = np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign(generator.normal(0.0, scale, variable.shape))
    os.makedirs(model_dir, exist_ok=True)
    checkpoints.describe_model(model_dir, model, experiment.task, optimizer)
    global_step = tf.Variable(step, dtype=tf.int64)
    checkpoint = checkpoints.make_checkpoint(model, optimizer, global_step)
    tf.train.CheckpointManager(checkpoint, model_dir, max_to_keep=9).save(step)
    configuration.write_operative_config(model_dir)
    gin.clear_config()
    return model


def saved_values(model_dir, step):
    """Every variable of a checkpoint: dict of arrays by key."""
    reader = tf.train.load_checkpoint(os.path.join(model_dir, f"ckpt-{step}"))
    names = [name for name in reader.get_variable_to_shape_map() if "VARIABLE_VALUE" in name]
    return {name: reader.get_tensor(name) for name in names}


def fingerprints(folder):
    """Hashes of all files of a folder, by name."""
    files = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def start(module, *arguments, environment=(), **options):
    """A command in a process of its own, its output through pipes; options are those of `Popen`."""
    command = [sys.executable, "-u", "-m", module, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **dict(environment)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # what a command does by itself is what counts
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, **options)


def cluster(number=2):
    """Environments of workers on free ports of this machine: list of dict."""
    with contextlib.ExitStack() as held:  # all at once, or the same port might come twice
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in sockets]
    return [
        {
            "TF_CONFIG": json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            )
        }
        for index in range(number)
    ]


def finish(process):
    """Status, stdout and stderr of a process that was started."""
    try:
        out, err = process.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out.decode("utf-8"), err.decode("utf-8")


def read_until(process, text, stream=None):
    """Waits until a process has printed a text; returns all it has printed so far.

    Args:
        process: from `start`.
        text: str.
        stream: one of its pipes; None is stdout.
    """
    stream = stream or process.stdout
    end, seen = time.monotonic() + DEADLINE, b""
    while text.encode() not in seen:
        ready, _, _ = select.select([stream], [], [], max(end - time.monotonic(), 0))
        piece = os.read(stream.fileno(), 65536) if ready else b""
        if not piece:
            process.kill()
            pytest.fail(f"no {text!r} in {seen!r}; stderr: {process.communicate()[1]!r}")
        seen += piece
    return seen.decode("utf-8")
