"""Whose a folder is while shards are written there: two commands must not mix their sets.

A file names the set that is being written, by its fingerprint. Whoever starts takes the folder, as
the one before may have been killed; who finds it taken stops before it writes anything more.
"""

import re

import tensorflow as tf

from pipelines import remote
from pipelines.atomic_files import remove_if_there, write_text
from pipelines.command_line import user_errors
from pipelines.data import manifest
from pipelines.errors import UserError

FILE = "being-prepared"


class Taken(UserError):
    """Another command writes another set into the folder, or has done so."""


def take(folder, fingerprint):
    """Says that this set is being written.

    Args:
        folder: str.
        fingerprint: str. Of the set.

    Raises:
        UserError: the folder cannot be written to, or holds a file of that name from elsewhere.
    """
    path = tf.io.gfile.join(folder, FILE)
    with user_errors(tf.errors.OpError):
        tf.io.gfile.makedirs(folder)
        if tf.io.gfile.exists(path) and not re.fullmatch(b"[0-9a-f]{64}", remote.content(path)):
            raise UserError(
                f"{path!r} was not written here: move it away, or give another --output"
            )
    write_text(path, fingerprint)


def check(folder, fingerprint):
    """Refuses to go on in a folder that is another set's by now.

    Args:
        folder: str.
        fingerprint: str. Of the set.

    Raises:
        Taken: it is.
    """
    if manifest.is_set(folder):
        _check_holder(folder, manifest.load(folder).fingerprint, fingerprint)
    else:
        _check_claim(folder, fingerprint)


def release(folder, fingerprint):
    """Ends it, when the manifest is written; or takes the manifest back.

    Args:
        folder: str.
        fingerprint: str. Of the set.

    Raises:
        Taken: somebody has taken the folder just before, and may have written over its shards.
    """
    try:
        _check_claim(folder, fingerprint)
    except Taken:
        remove_if_there(tf.io.gfile.join(folder, manifest.FILE))
        raise
    remove_if_there(tf.io.gfile.join(folder, FILE))


def _check_claim(folder, fingerprint):
    path = tf.io.gfile.join(folder, FILE)
    # The same command elsewhere may have ended it, for the same set.
    if tf.io.gfile.exists(path):
        _check_holder(folder, remote.content(path).decode(errors="replace"), fingerprint)


def _check_holder(folder, holder, fingerprint):
    if holder != fingerprint:
        raise Taken(
            f"another command, with other settings or files, prepares shards in {folder!r} too: "
            "give each an --output of its own"
        )
