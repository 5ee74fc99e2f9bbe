"""Small sets of shards, made without Beam."""

import random

import numpy as np
import tensorflow as tf

from pipelines import image_files
from pipelines.prepare import documents, encoders, job


def write_books(folder, sizes, split="train", seed=0):
    """Text files of so many bytes, each with letters of its own: no stretch of 8 comes twice."""
    random_ = random.Random(f"{seed}{split}")
    (folder / split).mkdir(parents=True, exist_ok=True)
    for number, size in enumerate(sizes):
        text = "".join(random_.choices("abcdefghijklmnopqrstuvwxyz \n", k=size - 1)) + "."
        (folder / split / f"{number:03d}.txt").write_text(text)


def write_images(folder, number=3, size=8):
    """Random square images for training and validation."""
    generator = np.random.default_rng(0)
    for split in ("train_64x64", "valid_64x64"):
        (folder / split).mkdir(parents=True)
        for index in range(number):
            image = generator.integers(0, 256, (1, size, size, 3), np.uint8)
            image_files.write_grid(image, str(folder / split / f"{index}.png"))


def prepare(
    source,
    output,
    shard_bytes=1000,
    seed=0,
    strict=False,
    dataset="pg19",
    encoder=None,
    prepare=job.prepare,
):
    """The manifest of a set that was written shard after shard."""
    encoder = encoder or encoders.make_encoder(dataset)

    def write_all(plans):
        for plan in plans:
            job.write(plan, encoder)

    found = documents.find(dataset, str(source))
    return prepare(dataset, found, encoder, str(output), shard_bytes, seed, strict, write_all)


def records(folder, made):
    """The documents of a set as its files hold them: split, name and ids of each."""
    features = {name: tf.io.FixedLenFeature((), tf.string) for name in ("name", "tokens")}
    kind = {1: "u1", 2: "<u2"}[made.token_bytes]
    for split, shards in made.splits.items():
        for shard in shards:
            for record in tf.data.TFRecordDataset(str(folder / shard.file)):
                example = tf.io.parse_example(record, features)
                ids = np.frombuffer(example["tokens"].numpy(), kind).astype(int) + 3
                yield split, example["name"].numpy().decode(), ids


def a_shard(split, **changed):
    """A shard of two documents, as a manifest has it."""
    return {
        "file": f"{split}-00000-of-00001.tfrecord",
        "size": 100,
        "sha256": "0" * 64,
        "documents": 2,
        "document_tokens": [20, 30],
        "document_bytes": [20, 30],
        "document_words": 4,
        "skipped": {},
        **changed,
    }


def a_set(**changed):
    """What a manifest of bytes holds."""
    return {
        "dataset": "pg19",
        "codec": {"name": "bytes"},
        "vocab_size": 259,
        "token_bytes": 1,
        "ends": True,
        "fingerprint": "f",
        "splits": {split: [a_shard(split)] for split in ("train", "validation")},
        "schema_version": 1,
        **changed,
    }
