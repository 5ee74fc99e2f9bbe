"""Exported tiny models, and what their Python originals say."""

import json
import random
import subprocess
import sys

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import keras_perceiver_ar as kpar
from pipelines.data import ShardsTask
from pipelines.prepare import encoders, tokenizer
from savedmodels import export, warmup
from tests.pipelines import runs, shards

PROMPTS = ("größe 𝄞", "", "a", "plain words")
WORDS = ("the", "a", "whale", "sea", "of", "and", "to", "in", "that", "his", "é", "漢")
SCRIPT = runs.ROOT / "savedmodels" / "try_plain.py"


# Numbers that cut and that change logits, one a row.
FURTHER = {
    "top_k": np.int32([0, 40, 7, 3]),
    "min_p": np.float32([0.02, 0.0, 0.1, 0.01]),
    "typical_p": np.float32([0.9, 0.7, 1.0, 0.95]),
    "repetition_penalty": np.float32([1.3, 1.0, 0.8, 2.0]),
}


def export_text(folder, *options, context=40):
    """Model and version path of an exported model of bytes, exported with these flags."""
    flags = runs.text_flags(runs.write_books(folder / "books"), f"CONTEXT = {context}")
    model = runs.save_untrained(folder / "run", flags, step=7, scale=0.5)
    return model, _export(folder, *options)


def export_copy(folder, *options):
    """Model and version path of a copy model with a context of 20, exported with these flags."""
    flags = runs.copy_flags("CONTEXT = 20", "LATENTS = 6")
    model = runs.save_untrained(folder / "run", flags, scale=0.5)
    return model, _export(folder, *options)


def export_pieces(folder):
    """Task, model and version path of an exported model of SentencePiece's pieces, context 40."""
    draw = random.Random(0)
    for split in ("train", "validation", "test"):
        (folder / "books" / split).mkdir(parents=True)
        lines = (" ".join(draw.choices(WORDS, k=12)) for _ in range(100))
        (folder / "books" / split / "0.txt").write_text("\n".join(lines))
    tokenizer.train(str(folder / "books"), str(folder / "a.model"), 290, 1000)
    encoder = encoders.make_encoder("pg19", tokenizer=str(folder / "a.model"))
    shards.prepare(folder / "books", folder / "shards", encoder=encoder)
    settings = (*runs.TINY, f"DATA = '{folder / 'shards'}'", "CONTEXT = 40")
    flags = ["--gin_file=gin/runs/pg19_tiny.gin", *runs.bind(*settings)]
    model = runs.save_untrained(folder / "run", flags, scale=0.5)
    return ShardsTask(folder / "shards"), model, _export(folder)


def _export(folder, *options):
    flags = [f"--model_dir={folder / 'run'}", f"--output={folder / 'exported'}", *options]
    assert runs.call(export.main, *flags) == 0
    return folder / "exported" / "1"


def ask_plain(path, signature, **inputs):
    """Outputs of a signature in a process that has TensorFlow and nothing else."""
    inputs = {name: np.asarray(value).tolist() for name, value in inputs.items()}
    command = [sys.executable, str(SCRIPT), str(path), json.dumps(inputs)]
    # Away from the clone, so that none of its packages can be imported by chance.
    answer = subprocess.run(
        [*command, "--signature", signature], cwd="/", capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    outputs = json.loads(answer.stdout)
    return {name: value if name == "text" else np.array(value) for name, value in outputs.items()}


def warmup_requests(path):
    """What TF Serving would play against a version: list of signature and inputs."""
    found = []
    for record in tf.data.TFRecordDataset(str(path / warmup.FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        found.append((request.model_spec.signature_name, inputs))
    return found


def padded(rows):
    """Ragged rows as token_ids (B, M) and lengths (B,)."""
    width = max(map(len, rows))
    ids = [[*row, *[0] * (width - len(row))] for row in rows]
    return np.array(ids, np.int32), np.array([len(row) for row in rows], np.int32)


def sampling(batch, seed=(1,), temperature=(1.0,), top_p=(0.9,), max_new_tokens=(8,)):
    """Inputs of sampling; shorter ones are repeated along the batch."""
    return {
        "max_new_tokens": np.resize(np.int32(max_new_tokens), batch),
        "seed": np.resize(np.int32(seed), batch),
        "temperature": np.resize(np.float32(temperature), batch),
        "top_p": np.resize(np.float32(top_p), batch),
    }


def choose_greedily(prefill, decode, rows, number):
    """A client's own loop: the first so many tokens of each row, (B, number).

    Args:
        prefill, decode: functions of arrays by name that give arrays by name.
        rows: ragged prompts.
        number: int.
    """
    token_ids, lengths = padded(rows)
    room = np.pad(token_ids, ((0, 0), (0, number - 1)))
    state = prefill(token_ids=room, lengths=lengths)
    chosen = []
    for _ in range(number):
        if chosen:
            state = decode(token_ids=chosen[-1], **state)
        state.pop("log_probs")
        chosen.append(np.argmax(state.pop("logits"), axis=-1).astype("int32"))
    return np.stack(chosen, axis=1)


def ask(loaded, signature, **inputs):
    """Outputs of a signature of a version that is loaded here: dict of arrays."""
    outputs = loaded.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
    return {name: value.numpy() for name, value in outputs.items()}


def generate(model, rows, settings, slide=None):
    """What the Python model generates: token_ids, lengths, log_probs."""
    token_ids, lengths = padded(rows)
    settings = dict(settings)
    (limit,) = set(settings.pop("max_new_tokens").tolist())
    seed = settings.pop("seed")
    return model.generate(
        {"token_ids": token_ids, "lengths": lengths},
        limit,
        sampler=kpar.generation.Sampler(**settings),
        seed=seed,
        slide=slide,
    )


def assert_generated(served, model, rows, settings, slide=None):
    """What was served is what the Python model generates, the ids to the last one."""
    wanted = generate(model, rows, settings, slide)
    np.testing.assert_array_equal(served["lengths"], wanted["lengths"])
    width = served["token_ids"].shape[1]
    np.testing.assert_array_equal(served["token_ids"], wanted["token_ids"][:, :width])
    assert not wanted["token_ids"][:, width:].any()
    for row, prompt in enumerate(rows):
        start, end = max(len(prompt), 1), wanted["lengths"][row]
        log_probs = served["log_probs"][row]
        expected = wanted["log_probs"][row, : end - start]
        np.testing.assert_allclose(log_probs[start:end], expected, atol=1e-5)
        assert np.isnan(log_probs[:start]).all() and np.isnan(log_probs[end:]).all()
