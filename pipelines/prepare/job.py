"""A set of shards: what is to be written, and the manifest when it is."""

import dataclasses
import hashlib
import json
import sys

import tensorflow as tf

from pipelines import remote
from pipelines.atomic_files import write_bytes, write_text
from pipelines.command_line import one_line, user_errors
from pipelines.data import manifest
from pipelines.data.manifest import Manifest, Shard
from pipelines.errors import UserError
from pipelines.prepare import claim, shard_writer


def prepare(dataset, documents, encoder, folder, shard_bytes, seed, strict, write_all):
    """Writes what is missing of a set, and the manifest at the end.

    Args:
        dataset: str.
        documents: dict of split to list of `Document`.
        encoder: see `encoders`.
        folder: str, local or `gs://…`.
        shard_bytes: int. About how many bytes of input a shard takes.
        seed: int. Of the documents' order.
        strict: bool. Whether a document that cannot be read stops everything.
        write_all: function of a list of `Plan`, which calls `write` of each, in any order.

    Returns:
        `Manifest`.

    Raises:
        UserError: another set is there, nothing could be read, or, if strict, something could not.
    """
    plans, fingerprint = plan(dataset, documents, encoder, folder, shard_bytes, seed, strict)
    if found := _complete(folder, fingerprint):
        return found
    check_beside(folder, encoder.files)
    claim.take(folder, fingerprint)
    # Completed in between, by somebody who had it before.
    if found := _complete(folder, fingerprint):
        return found
    plans = {
        split: [dataclasses.replace(plan, of_set=fingerprint) for plan in group]
        for split, group in plans.items()
    }
    todo = [plan for group in plans.values() for plan in group]
    written = _write(todo, write_all)
    splits = {split: [written[plan.file] for plan in group] for split, group in plans.items()}
    if not any(shard.documents for group in splits.values() for shard in group):
        reasons = [
            reason for group in splits.values() for s in group for reason in s.skipped.values()
        ]
        raise UserError(f"none of {len(reasons)} files could be used, the first: {reasons[0]}")
    made = Manifest(
        dataset=dataset,
        codec=encoder.config,
        vocab_size=encoder.vocab_size,
        token_bytes=encoder.token_bytes,
        ends=encoder.ends,
        fingerprint=fingerprint,
        splits=splits,
    )
    claim.check(folder, fingerprint)
    shard_writer.clean(folder, todo)
    for name, content in encoder.files.items():
        write_bytes(tf.io.gfile.join(folder, name), content)
    write_text(tf.io.gfile.join(folder, manifest.FILE), made.to_json())
    claim.release(folder, fingerprint)
    return made


def plan(dataset, documents, encoder, folder, shard_bytes, seed, strict):
    """What is to be written of a set.

    Args:
        dataset, documents, encoder, folder, shard_bytes, seed, strict: as for `prepare`.

    Returns:
        dict of split to list of `Plan`, and the fingerprint of the set, which the folder has no
        part in.
    """
    settings = [manifest.SCHEMA_VERSION, dataset, encoder.config, seed]
    plans = {
        split: shard_writer.plan(folder, split, files, shard_bytes, seed, settings, strict)
        for split, files in documents.items()
        if files
    }
    everything = [[plan.fingerprint, plan.file] for group in plans.values() for plan in group]
    fingerprint = hashlib.sha256(json.dumps([settings, everything]).encode()).hexdigest()
    return plans, fingerprint


def check_beside(folder, contents):
    """Refuses to write over what lies there under a name of ours and says something else.

    Args:
        folder: str.
        contents: dict of str to bytes. Files by name.

    Raises:
        UserError: names the first one.
    """
    for name, content in contents.items():
        path = tf.io.gfile.join(folder, name)
        if tf.io.gfile.exists(path) and remote.content(path) != content:
            raise UserError(f"{path!r} is another one: move it away, or give another --output")


def _complete(folder, fingerprint):
    """The `Manifest` of the set if it is there already, or None."""
    with user_errors(tf.errors.OpError):
        if not manifest.is_set(folder):
            return None
    found = manifest.load(folder)
    if found.fingerprint != fingerprint:
        raise UserError(
            f"{folder!r} holds other shards (of {found.dataset}, or with other settings or files, "
            "or files that were written anew since): give another --output, or remove that one"
        )
    try:
        manifest.check_files(folder, [shard for group in found.splits.values() for shard in group])
    except UserError as error:
        print(f"{one_line(error)}: what is missing is prepared again now", file=sys.stderr)
        tf.io.gfile.remove(tf.io.gfile.join(folder, manifest.FILE))
        return None
    print(f"{folder} is complete already", file=sys.stderr)
    if any(shard.skipped for shards in found.splits.values() for shard in shards):
        print("what was left out then is tried again in another --output alone", file=sys.stderr)
    return found


def _write(plans, write_all):
    """dict of file name to `Shard`."""
    todo = [plan for plan in plans if not isinstance(shard_writer.read_report(plan), Shard)]
    if len(todo) < len(plans):
        print(f"{len(plans) - len(todo)} of {len(plans)} shards are there already", file=sys.stderr)
    if todo:
        shard_writer.forget(todo)
        write_all(todo)
        claim.check(todo[0].folder, todo[0].of_set)
    written = {}
    for plan in plans:
        shard = shard_writer.read_report(plan)
        if not isinstance(shard, Shard):
            raise UserError(
                shard
                or f"{plan.file} was not written: see what is printed above, or the runner's log"
            )
        written[plan.file] = shard
    return written


def write(plan, encoder):
    """Writes a shard, or word of why it cannot be written: a runner's workers have no other way.

    Args:
        plan: `Plan`.
        encoder: see `encoders`.
    """
    try:
        # Of the file system's, of a disk that is full for instance.
        with user_errors(tf.errors.OpError):
            _write_shard(plan, encoder)
    except claim.Taken:
        pass  # it is not ours to leave word in; `_write` finds out
    except (UserError, remote.ShortRead) as error:
        try:
            shard_writer.write_failure(plan, error)
        except UserError:  # on the same full disk; `_write` misses the shard
            print(f"{plan.file} cannot be written: {error}", file=sys.stderr)


@remote.try_again
def _write_shard(plan, encoder):
    # From its start: what a try has written lies under a name of its own.
    shard_writer.write(plan, encoder)
