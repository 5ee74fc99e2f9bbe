"""Documents out of shards, in TensorFlow's graph: no Python runs while a model trains."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs.byte_codec import EOS, NUM_RESERVED, SOS
from pipelines.data.manifest import TOKEN_TYPES
from pipelines.errors import UserError
from pipelines.remote import TRIES

# Remote files answer slowly, but many at a time.
PARALLEL_READS = 16
_BUFFER = 8 << 20  # bytes of a request


class Shards(NamedTuple):
    """The shards of a split, as arrays. Document numbers run through all of them.

    Attributes:
        files: tuple of S str, whole paths.
        first_document: int64 (S + 1,).
        lengths: int64 (D,). Data tokens of each document.
        ends: bool. Whether EOS follows a document.
        token_bytes: int.
    """

    files: tuple
    first_document: np.ndarray
    lengths: np.ndarray
    ends: bool
    token_bytes: int

    @classmethod
    def of(cls, path, manifest, split):
        """The shards of a split of a manifest."""
        shards = manifest.shards(split, path)
        counts = [shard.documents for shard in shards]
        return cls(
            files=tuple(tf.io.gfile.join(path, shard.file) for shard in shards),
            first_document=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            lengths=np.concatenate([shard.tokens() for shard in shards]),
            ends=manifest.ends,
            token_bytes=manifest.token_bytes,
        )

    @property
    def num_targets(self):
        """int64 (D,). Targets of each document: its tokens, and EOS where there is one."""
        return self.lengths + int(self.ends)

    def bytes(self):
        """int64 (S,). Bytes of the tokens of each shard."""
        return np.add.reduceat(self.lengths, self.first_document[:-1]) * self.token_bytes

    def of_window(self, window_bytes, numbers):
        """int. How many of these shards are read at once, one at least.

        By the largest of them, as a window takes as much memory for each of its shards.
        """
        return max(1, window_bytes // int(self.bytes()[numbers].max()))


class Documents(NamedTuple):
    """Some documents in memory.

    Attributes:
        tokens: uint8 or uint16 (tokens,). Those of a shard end to end, and zeros up to where the
            next shard begins.
        number: int64 (d,), ascending. Of each document in the split.
        first: int64 (d,). Where each begins in `tokens`.
        size: int64 (d,). Data tokens of each.
    """

    tokens: tf.Tensor
    number: tf.Tensor
    first: tf.Tensor
    size: tf.Tensor


def read(shards, numbers):
    """All documents of some shards.

    Args:
        shards: `Shards`.
        numbers: int64 (n,) tensor, ascending. Which ones.

    Returns:
        `Documents`. Reading a shard that is not what its manifest says raises
        `tf.errors.DataLossError` or `InvalidArgumentError`; TensorFlow does not always name the
        file, `manifest.check_contents` does.
    """
    first_document, lengths = tf.constant(shards.first_document), tf.constant(shards.lengths)
    first, last = tf.gather(first_document, numbers), tf.gather(first_document, numbers + 1)

    def read_shard(file, first, last):
        wanted = lengths[first:last]
        # Taken out record by record, so that no shard is held twice.
        tokens = tf.data.TFRecordDataset(file, buffer_size=_BUFFER).map(_tokens_of)
        # One record more than there should be, to see that there is none.
        tokens = tokens.batch(last - first + 1).get_single_element()
        found = tf.cast(tf.strings.length(tokens), tf.int64)
        message = tf.strings.join([file, " does not hold what its manifest says"])
        same = tf.cond(
            tf.size(found) == tf.size(wanted),
            lambda: tf.reduce_all(found == wanted * shards.token_bytes),
            lambda: False,
        )
        with tf.control_dependencies([tf.debugging.Assert(same, [message])]):
            return tf.io.decode_raw(tf.strings.reduce_join(tokens), TOKEN_TYPES[shards.token_bytes])

    def keep_trying(*shard):
        # As `remote` does it outside of a graph: TensorFlow itself does not ask again where an
        # answer ends early. The error of the last try is not passed over.
        once = tf.data.Dataset.from_tensors(shard)
        tries = once.repeat(TRIES - 1).map(read_shard).ignore_errors()
        return tries.concatenate(once.map(read_shard)).take(1).get_single_element()

    files = tf.gather(tf.constant(shards.files), numbers)
    dataset = tf.data.Dataset.from_tensor_slices((files, first, last))
    dataset = dataset.map(keep_trying, num_parallel_calls=PARALLEL_READS, deterministic=True)
    count = tf.maximum(tf.size(numbers, tf.int64), 1)
    # Filled up, shards are put side by side at once; joined and decoded, as strings would have to
    # be, they would be written to fresh memory twice more, and that is what reading waits for.
    tokens = dataset.padded_batch(count).get_single_element()
    number = tf.ragged.range(first, last)
    size = tf.gather(lengths, number)
    within = tf.ragged.map_flat_values(tf.cumsum, size, exclusive=True)
    before = tf.gather(within.flat_values, number.row_starts())
    shard = tf.range(count) * tf.shape(tokens, tf.int64)[1]
    first = (within - before[:, None] + shard[:, None]).flat_values
    return Documents(tf.reshape(tokens, [-1]), number.flat_values, first, size.flat_values)


def check_records(shards):
    """Refuses shards that do not hold what their manifest says; reads all of them.

    Args:
        shards: `Shards`, whose bytes are what they were: see `manifest.check_contents`.

    Raises:
        UserError: names the first one.
    """
    for number, file in enumerate(shards.files):
        try:
            read(shards, tf.constant([number], tf.int64))
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
            raise UserError(
                f"{file!r} is what it was, but does not hold what its manifest says: the manifest "
                "was edited, or belongs to another set; prepare the shards again"
            ) from error


def _tokens_of(record):
    features = {"tokens": tf.io.FixedLenFeature((), tf.string)}
    return tf.io.parse_single_example(record, features)["tokens"]


def events(shards, documents, number, start, context):
    """Rows of events of documents.

    Args:
        shards: `Shards`.
        documents: `Documents`.
        number: int64 (b,). Which documents of the split.
        start: int64 (b,). First event of each row; event 0 is SOS.
        context: int. M.

    Returns:
        int32 (b, M + 1). Behind the last event anything may follow.
    """
    index = tf.searchsorted(documents.number, number)
    event = start[:, None] + tf.range(context + 1, dtype=tf.int64)
    first = tf.gather(documents.first, index)[:, None]
    size = tf.gather(documents.size, index)[:, None]
    # SOS comes before token 0, so event e is token e − 1.
    place = tf.clip_by_value(first + event - 1, 0, tf.size(documents.tokens, tf.int64) - 1)
    ids = tf.cast(tf.gather(documents.tokens, place), tf.int32) + NUM_RESERVED
    ids = tf.where(event == 0, SOS, ids)
    return tf.where(event == size + 1, EOS, ids) if shards.ends else ids
