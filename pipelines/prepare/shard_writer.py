"""Which documents a shard holds, and the writing of one, so that a crash leaves it done or not.

A shard is written under a name of its own and renamed; beside it, last, comes its report, by which
a restart knows that it is done. Both are bytes that follow from the input alone.
"""

import dataclasses
import hashlib
import itertools
import json
import re
import uuid

import numpy as np
import tensorflow as tf

from pipelines import remote
from pipelines.atomic_files import UNFINISHED, remove_if_there, write_text
from pipelines.data.batches import SPLITS
from pipelines.data.manifest import Shard, checksum
from pipelines.errors import UserError
from pipelines.prepare import claim

REPORT = ".json"
_TEMPORARY = ".writing-"
# Of a document: Protocol Buffers end at 2 GiB.
_MOST_BYTES = 2**31 - 2**16
_SHARD = re.compile(rf"({'|'.join(SPLITS)})-\d{{5,}}-of-\d{{5,}}\.tfrecord")
# What ends the name of a shard that is being written, or of a report.
_ENDS = "|".join(map(re.escape, (_TEMPORARY, f"{REPORT}{UNFINISHED}")))
_UNFINISHED = re.compile(rf"({_ENDS})[0-9a-f]{{32}}")


@dataclasses.dataclass(frozen=True)
class Plan:
    """One shard to write.

    Attributes:
        folder: str.
        file: str. Name of the shard.
        documents: tuple of `Document`, in the order of the records, or of whatever has its `name`,
            `version` and `size` and yields documents from `each`.
        fingerprint: str. Of what the shard will hold.
        strict: bool. Whether a document that cannot be read stops everything.
        of_set: str. Fingerprint of the set that it is part of; "" as long as that is not planned.
    """

    folder: str
    file: str
    documents: tuple
    fingerprint: str
    strict: bool
    of_set: str = ""


def plan(folder, split, documents, shard_bytes, seed, settings, strict):
    """Deals documents out to shards of about the same size, in an order that is random but fixed.

    Args:
        folder: str. Of the shards.
        split: str.
        documents: list of `Document`.
        shard_bytes: int. About how many bytes of input a shard takes.
        seed: int. Of the order.
        settings: JSON value. Whatever else decides what the shards hold.
        strict: bool.

    Returns:
        list of `Plan`.
    """

    def rank(document):
        # Not a shuffle: with one document more the others keep their order.
        key = f"{seed}/{split}/{document.name}"
        return hashlib.sha256(key.encode()).digest(), document.name

    documents = sorted(documents, key=rank)
    ends = np.cumsum([document.size for document in documents])
    number = max(1, round(min(len(documents), int(ends[-1]) / shard_bytes)))
    # A document goes to the shard that its middle falls into.
    middle = ends - np.asarray([document.size for document in documents]) / 2
    shard = np.minimum(middle * number // max(int(ends[-1]), 1), number - 1).astype(int)
    groups = [
        tuple(document for document, at in zip(documents, shard, strict=True) if at == index)
        for index in range(number)
    ]
    groups = [group for group in groups if group]  # one document may be as long as several shards
    plans = []
    for index, group in enumerate(groups):
        content = [settings, strict, [(d.name, *d.version) for d in group]]
        fingerprint = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        file = f"{split}-{index:05d}-of-{len(groups):05d}.tfrecord"
        plans.append(Plan(folder, file, group, fingerprint, strict))
    return plans


def write(plan, encoder):
    """Writes a shard, unless it is there already.

    Args:
        plan: `Plan`.
        encoder: function of a `Document` → `Encoded`.

    Returns:
        `Shard`.

    Raises:
        UserError: a document that cannot be read, if the plan is strict, or not now.
        claim.Taken: the folder is another set's by now.
        remote.ShortRead: a source that breaks off; another try may find it whole.
    """
    report = tf.io.gfile.join(plan.folder, plan.file + REPORT)
    done = read_report(plan)
    if isinstance(done, Shard):
        return done
    claim.check(plan.folder, plan.of_set)
    path = tf.io.gfile.join(plan.folder, plan.file)
    temporary = f"{path}{_TEMPORARY}{uuid.uuid4().hex}"
    try:
        rows, skipped = _write_records(plan, encoder, temporary)
        tokens, sizes, words = (
            (_shortest(column) for column in zip(*rows, strict=True)) if rows else [0] * 3
        )
        shard = Shard(
            file=plan.file,
            size=tf.io.gfile.stat(temporary).length,
            sha256=checksum(temporary),
            documents=len(rows),
            document_tokens=tokens,
            document_bytes=sizes,
            document_words=words,
            skipped=skipped,
        )
        claim.check(plan.folder, plan.of_set)
        tf.io.gfile.rename(temporary, path, overwrite=True)
    except BaseException:
        # For whoever shares a full disk.
        remove_if_there(temporary)
        raise
    write_text(report, json.dumps([plan.fingerprint, dataclasses.asdict(shard)]))
    return shard


def _write_records(plan, encoder, path):
    """Tokens, bytes and words of each document, and why others are none."""
    rows, skipped = [], {}
    with tf.io.TFRecordWriter(path) as writer:
        for document in itertools.chain.from_iterable(some.each() for some in plan.documents):
            try:
                encoded = encoder(document)
                if encoded.tokens.nbytes > _MOST_BYTES:
                    raise UserError(
                        f"{document.name!r} takes {encoded.tokens.nbytes:,} bytes as tokens, and a "
                        f"record holds {_MOST_BYTES:,}: split it"
                    )
            except remote.Away:
                raise  # it is no fault of the document, and is there the next time
            except UserError as error:
                if plan.strict:
                    raise UserError(f"{error} (without --strict it is left out)") from error
                skipped[document.name] = str(error)
                continue
            writer.write(_record(document.name, encoded.tokens))
            rows.append((encoded.tokens.size, encoded.bytes, encoded.words))
    return rows, skipped


def write_failure(plan, error):
    """Leaves word of why a shard could not be written, where `read_report` finds it."""
    report = tf.io.gfile.join(plan.folder, plan.file + REPORT)
    write_text(report, json.dumps([plan.fingerprint, str(error)]))


def read_report(plan):
    """What became of a plan: a `Shard` if it is written, a str if it cannot be, else None."""
    path = tf.io.gfile.join(plan.folder, plan.file)
    try:
        fingerprint, content = json.loads(remote.content(path + REPORT))
        if fingerprint != plan.fingerprint:
            return None
        if isinstance(content, str):
            return content
        shard = Shard(**content)
        whole = remote.stat(path).length == shard.size
    except (UserError, tf.errors.OpError, ValueError, TypeError):
        return None  # none, or torn: write it again
    return shard if whole else None


def forget(plans):
    """Removes reports of shards that are to be written: of a set that was never completed."""
    folder = plans[0].folder
    for name in {plan.file + REPORT for plan in plans} & set(tf.io.gfile.listdir(folder)):
        remove_if_there(tf.io.gfile.join(folder, name))


def clean(folder, plans):
    """Removes what writers that were killed have left, of this set and of others begun before it.

    Args:
        folder: str.
        plans: list of `Plan`. Of the set that is complete.
    """
    names = set(tf.io.gfile.listdir(folder))
    kept = {plan.file for plan in plans}
    # A file of such a name that has no report is none of ours.
    others = {
        name.removesuffix(REPORT)
        for name in names
        if _SHARD.fullmatch(name.removesuffix(REPORT)) and name.endswith(REPORT)
    } - kept
    left = {
        name
        for name in names
        if (end := _UNFINISHED.search(name)) and _SHARD.fullmatch(name[: end.start()])
    }
    for name in left | others & names | {other + REPORT for other in others}:
        remove_if_there(tf.io.gfile.join(folder, name))


def _record(name, tokens):
    little = tokens.astype(tokens.dtype.newbyteorder("<"), copy=False)
    example = tf.train.Example()
    # In place: a message made of messages copies a long document once for each of them.
    for key, value in {"name": name.encode(), "tokens": little.tobytes()}.items():
        example.features.feature[key].bytes_list.value.append(value)
    return example.SerializeToString(deterministic=True)


def _shortest(column):
    return column[0] if len(set(column)) == 1 else list(column)
