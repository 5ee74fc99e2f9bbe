"""Whose a folder is while shards are written there: two commands must not mix their sets.

A file names the set that is being written, by its fingerprint. Whoever starts takes the folder, as
the one before may have been killed; who finds it taken stops before it writes anything more.
"""

import tensorflow as tf

from pipelines import remote
from pipelines.checkpoints import remove_if_there, write_text
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
        UserError: the folder cannot be written to.
    """
    with user_errors(tf.errors.OpError):
        tf.io.gfile.makedirs(folder)
    write_text(tf.io.gfile.join(folder, FILE), fingerprint)


def check(folder, fingerprint):
    """Refuses to go on in a folder that is another set's by now.

    Args:
        folder: str.
        fingerprint: str. Of the set.

    Raises:
        Taken: it is.
    """
    if manifest.is_set(folder):
        holder = manifest.load(folder).fingerprint
    else:
        holder = remote.content(tf.io.gfile.join(folder, FILE)).decode(errors="replace")
    if holder != fingerprint:
        raise Taken(
            f"another command, with other settings or files, prepares shards in {folder!r} too: "
            "give each an --output of its own"
        )


def release(folder):
    """Ends it, when the set is complete."""
    remove_if_there(tf.io.gfile.join(folder, FILE))
