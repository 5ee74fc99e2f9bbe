"""Whether what a manifest says can be: it may be torn, edited, or put together from two."""

import re

from keras_perceiver_ar.codecs.byte_codec import NUM_RESERVED
from pipelines.checks import check_integer
from pipelines.data.batches import check_split
from pipelines.errors import UserError

_MOST = 2**63 - 1
_KINDS = {"dataset": str, "codec": dict, "ends": bool, "fingerprint": str, "splits": dict}


def check_manifest(manifest):
    """Refuses a manifest that no set can have.

    Args:
        manifest: `Manifest`, its fields of any type.

    Raises:
        UserError: names the field and what it is.
    """
    for name, kind in _KINDS.items():
        _check_kind(name, getattr(manifest, name), kind)
    check_integer("token_bytes", manifest.token_bytes, most=2)
    most = NUM_RESERVED + 256**manifest.token_bytes
    check_integer("vocab_size", manifest.vocab_size, least=NUM_RESERVED + 1, most=most)
    files = set()
    for split, shards in manifest.splits.items():
        check_split(split)
        for number, shard in enumerate(shards):
            _check_shard(f"{split}[{number}]", shard, manifest.token_bytes)
            if shard.file in files:
                raise UserError(f"{split}[{number}].file {shard.file!r} is there twice")
            files.add(shard.file)


def check_name(name, value):
    """Refuses what is not the name of a file beside the manifest.

    Args:
        name: str, of the field.
        value: anything.

    Raises:
        UserError: quotes it.
    """
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]*", value):
        raise UserError(f"{name} must name a file of the folder, got {value!r:.80}")


def check_digest(name, value):
    """Refuses what is no SHA-256.

    Args:
        name: str, of the field.
        value: anything.

    Raises:
        UserError: quotes it.
    """
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise UserError(f"{name} must be 64 hexadecimal digits, got {value!r:.80}")


def _check_kind(name, value, kind):
    if not isinstance(value, kind):
        raise UserError(f"{name} must be of the type {kind.__name__}, got {value!r:.80}")


def _check_shard(name, shard, token_bytes):
    check_name(f"{name}.file", shard.file)
    check_digest(f"{name}.sha256", shard.sha256)
    check_integer(f"{name}.size", shard.size, least=0, most=_MOST)
    check_integer(f"{name}.documents", shard.documents, least=0, most=_MOST)
    _check_kind(f"{name}.skipped", shard.skipped, dict)
    _check_room(name, shard)
    least = 1 if shard.documents else 0  # a shard of which all documents were left out
    tokens = _check_counts(f"{name}.document_tokens", shard.document_tokens, shard, least)
    for column in ("document_bytes", "document_words"):
        _check_counts(f"{name}.{column}", getattr(shard, column), shard, 0)
    if tokens * token_bytes > shard.size:
        raise UserError(f"{name} has {tokens:,} tokens in {shard.size:,} bytes")


def _check_room(name, shard):
    """A record takes 16 bytes beside what it holds."""
    if 16 * shard.documents > shard.size:
        raise UserError(f"{name} has {shard.documents:,} documents in {shard.size:,} bytes")


def _check_counts(name, counts, shard, least):
    """Their sum: counts are a number for each document, or one that holds for all."""
    is_list = isinstance(counts, list)
    wrong = [n for n in (counts if is_list else [counts]) if type(n) is not int or n < least]
    if wrong:
        raise UserError(f"{name} must be integers ≥ {least}, got {wrong[0]!r:.80}")
    if is_list and len(counts) != shard.documents:
        raise UserError(f"{name} has {len(counts)} numbers for {shard.documents} documents")
    total = sum(counts) if is_list else counts * shard.documents
    if total > _MOST:
        raise UserError(f"{name} come to {total}, more than any set holds")
    return total
