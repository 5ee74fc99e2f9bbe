"""A set of .npy files: the documents of shards, end to end, for where there is no TensorFlow.

Shards are written first, in a folder within the set's, and transcribed: the runner writes them side
by side and goes on after a kill, and which documents could be read, how long they are and in which
order they come is known when they are whole. It takes the disk twice for a while.
"""

import contextlib
import os
import shutil
import sys

import numpy as np
import tensorflow as tf

from pipelines import locks
from pipelines.atomic_files import write_text
from pipelines.command_line import one_line, user_errors
from pipelines.data import codecs, files, manifest, shard_reader
from pipelines.errors import UserError
from pipelines.experiment import npy_set
from pipelines.prepare import job

# Within the set's folder; it goes when the set is whole.
UNFINISHED = "unfinished"


def prepare(dataset, documents, encoder, folder, shard_bytes, seed, strict, write_all):
    """Writes a set of .npy files, and `npy.json` at the end.

    Args:
        dataset, documents, encoder, shard_bytes, seed, strict, write_all: as for `job.prepare`.
        folder: str, local.

    Returns:
        `Manifest` of the shards that were transcribed, or None if the set was there already.

    Raises:
        UserError: another set is there or is being written, or as `job.prepare`.
    """
    with user_errors(tf.errors.OpError):
        if manifest.is_set(folder):
            raise UserError(f"{folder!r} holds shards: give .npy files another --output")
    fingerprint = job.plan(dataset, documents, encoder, folder, shard_bytes, seed, strict)[1]
    unfinished = os.path.join(folder, UNFINISHED)
    was_set = os.path.lexists(os.path.join(folder, npy_set.FILE))
    if _is_complete(folder, fingerprint):
        _clean(unfinished)
        return None
    if not was_set:  # of a set of ours what is damaged is written anew
        with user_errors(tf.errors.OpError):
            job.check_beside(folder, encoder.files)
    shards = os.path.join(unfinished, "shards")
    with user_errors(OSError), _alone(unfinished):
        # Completed in between, by somebody who had it before.
        if _is_complete(folder, fingerprint):
            shutil.rmtree(unfinished)
            return None
        # Of another set that was never completed: nobody reads them, and nobody writes them now.
        if manifest.is_set(shards) and manifest.load(shards).fingerprint != fingerprint:
            shutil.rmtree(shards)
        made = job.prepare(
            dataset, documents, encoder, shards, shard_bytes, seed, strict, write_all
        )
        names = _transcribe(shards, made, unfinished)
        for name, content in encoder.files.items():
            with open(os.path.join(unfinished, name), "wb") as stream:
                stream.write(content)
            names.append(name)
        _publish(folder, unfinished, made, names)
        shutil.rmtree(unfinished)
    return made


@contextlib.contextmanager
def _alone(unfinished):
    """Refuses a second command in the same folder; the lock of one that was killed is gone."""
    os.makedirs(unfinished, exist_ok=True)
    refusal = (
        f"another command prepares {os.path.dirname(unfinished)!r} now: wait for it, or give each "
        "an --output of its own"
    )
    with locks.alone(os.path.join(unfinished, "lock"), refusal):
        yield


def _clean(unfinished):
    """Removes what is left of a command that was killed after it had made the set whole."""
    if os.path.isdir(unfinished):
        # Another may be at it, or the folder be one to read alone: the set is whole all the same.
        with contextlib.suppress(OSError, UserError), _alone(unfinished):
            shutil.rmtree(unfinished)


def _is_complete(folder, fingerprint):
    """Whether the set is there already."""
    file = os.path.join(folder, npy_set.FILE)
    if not os.path.lexists(file):
        return False
    found = npy_set.load(folder)
    if found.fingerprint != fingerprint:
        raise UserError(
            f"{folder!r} holds another set of .npy files (of {found.dataset}, or with other "
            "settings or files, or files that were written anew since): give another --output, or "
            "remove that one"
        )
    try:
        npy_set.check_sizes(folder, found.files)
    except UserError as error:
        print(f"{one_line(error)}: the set is prepared again now", file=sys.stderr)
        os.remove(file)
        return False
    print(f"{folder} is complete already", file=sys.stderr)
    return True


def _transcribe(shards, made, folder):
    """Writes the arrays of a set of shards, a shard in memory at a time; list of their names."""
    names = []

    def write(name, dtype, size, parts):
        names.append(name)
        _write_array(os.path.join(folder, name), dtype, size, parts)

    for split in _splits(made):
        group = made.shards(split, shards)
        reader = shard_reader.Shards.of(shards, made, split)
        parts = files.report(_each_tokens(reader), reader.files, shards, "transcribed")
        kind = npy_set.TOKEN_TYPES[made.token_bytes]
        write(npy_set.array_file(split, "tokens"), kind, int(reader.lengths.sum()), parts)
        offsets = np.concatenate([[0], np.cumsum(reader.lengths)])
        columns = {"offsets": offsets}
        if any(shard.bytes for shard in group):  # which only text has
            for what in ("bytes", "words"):
                columns[what] = np.concatenate([shard.each(what) for shard in group])
        for what, column in columns.items():
            write(npy_set.array_file(split, what), np.dtype("<i8"), column.size, [column])
    positions = codecs.codec_of(made, shards).positions
    if positions is not None:
        np.save(os.path.join(folder, npy_set.POSITIONS), positions.astype("<i4"))
        names.append(npy_set.POSITIONS)
    return names


def _splits(made):
    """Those that hold a document."""
    return [split for split, group in made.splits.items() if any(s.documents for s in group)]


def _each_tokens(reader):
    """Yields the tokens of a shard after another."""
    for number in range(len(reader.files)):
        yield shard_reader.read(reader, tf.constant([number], tf.int64)).tokens.numpy()


def _write_array(path, dtype, size, parts):
    """Writes a .npy file in one dimension, part after part."""
    # Not through a mapped file: where the disk is full, that kills the process without a word.
    with open(path, "wb") as stream:
        header = {"descr": dtype.str, "fortran_order": False, "shape": (size,)}
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(part.astype(dtype, copy=False).data)


def _publish(folder, unfinished, made, names):
    """Moves the files to their places, and writes the one that makes them a set."""
    entries = {}
    for name in names:
        file = os.path.join(unfinished, name)
        entries[name] = {"size": os.path.getsize(file), "sha256": npy_set.checksum(file)}
    splits, skipped = {}, {}
    for split in _splits(made):
        group = made.splits[split]
        tokens = np.concatenate([shard.tokens() for shard in group])
        splits[split] = {"documents": int(tokens.size), "tokens": int(tokens.sum())}
    for split, group in made.splits.items():
        skipped[split] = {name: reason for s in group for name, reason in s.skipped.items()}
    whole = npy_set.NpySet(
        dataset=made.dataset,
        codec=made.codec,
        vocab_size=made.vocab_size,
        token_bytes=made.token_bytes,
        ends=made.ends,
        fingerprint=made.fingerprint,
        splits=splits,
        skipped=skipped,
        files=entries,
    )
    for name in names:
        os.replace(os.path.join(unfinished, name), os.path.join(folder, name))
    write_text(os.path.join(folder, npy_set.FILE), whole.to_json())
