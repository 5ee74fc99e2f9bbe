"""Books as bytes: long text, predicted one byte at a time."""

import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs import byte_codec
from keras_perceiver_ar.codecs.byte_codec import EOS, NUM_RESERVED, SOS, VOCAB_SIZE
from pipelines.checks import check_integer, check_number
from pipelines.data import batches, windows
from pipelines.data.corpus import Corpus
from pipelines.data.units import totals
from pipelines.data.words import count_words
from pipelines.errors import UserError

_TRAINING_STREAM = 0


class BooksTask:
    """Rows of text from a folder of books, as bytes.

    A document is SOS, its bytes, EOS. The last target of a training row is uniform over all targets
    of all documents, so a book weighs as much as it is long, and the row holds as many inputs
    before it as the context takes.

    Some rows are cut shorter, from the left. Without them nearly every row would be full, and with
    M inputs and N latents no latent would ever see fewer than M − N + 1 of them, except at the
    start of a book: a short prompt would then be unlike anything the model was trained on.

    The corpus is read when a split is first asked for, and kept.

    Args:
        path: str or path. PG-19's layout (`train/<id>.txt`, `validation/`, `test/`) or any folder
            with `*.txt` files, local or `gs://…`; see `Corpus.load`.
        min_crop: int. Fewest inputs of a shortened row. (A row whose target is nearer to the start
            of its document has fewer.)
        short_row_fraction: float. Probability that a training row is cut to a length uniform in
            min_crop … context.

    Raises:
        UserError: a number out of range.

    Example:

    ```python
    task = BooksTask("gs://my-bucket/pg19")
    dataset = task.train_dataset(context=4096, batch_size=32, seed=0)
    ```

    Reference:
        Rae et al., "Compressive Transformers for long-range sequence modelling", ICLR 2020 (PG-19).
    """

    evaluation_metrics = ("bits_per_byte", "word_perplexity")
    is_text = True

    def __init__(self, path, min_crop=1, short_row_fraction=0.1):
        if not isinstance(path, (str, os.PathLike)):
            raise UserError(f"path must name a folder, in quotes, got {path!r}")
        check_integer("min_crop", min_crop)
        check_number("short_row_fraction", short_row_fraction)
        if short_row_fraction > 1.0:
            raise UserError(f"short_row_fraction must lie in 0 … 1, got {short_row_fraction}")
        self.path = path
        self.min_crop = min_crop
        self.short_row_fraction = short_row_fraction
        self._texts, self._words = {}, {}

    @property
    def vocab_size(self):
        """int. The reserved ids and 256 bytes."""
        return VOCAB_SIZE

    def encode(self, prompt):
        """Ids of a document that starts with the prompt."""
        try:
            return [SOS, *byte_codec.encode(prompt)]
        except UnicodeEncodeError as error:
            raise UserError(f"the prompt is not UTF-8 at character {error.start}") from error

    def decode(self, token_ids):
        """The text of ids; what is not UTF-8 is replaced by U+FFFD."""
        return byte_codec.decode(token_ids)

    def units(self, split):
        """Denominators other than targets that a metric may want.

        Returns:
            dict of int: `bytes`, `words` between white space, and `documents`. Each document has
            one target more than bytes, its EOS.

        Raises:
            UserError: the split cannot be read; see `Corpus.load`.
        """
        return totals(self.document_units(split))

    def document_units(self, split):
        """The same of each document, and its `targets`: dict of int64 (D,)."""
        text = self._text(split)
        if split not in self._words:
            parts = np.split(text.array, np.cumsum(text.num_events - 2)[:-1])
            self._words[split] = np.array([count_words(part) for part in parts], np.int64)
        sizes = text.num_events - 2
        return {"targets": sizes + 1, "bytes": sizes, "words": self._words[split]}

    def train_dataset(self, context, batch_size, seed, start_step=0, shard_index=0, num_shards=1):
        """Random rows of the training split without end; batch s depends on the seed and s alone.

        Args:
            context: int. M.
            batch_size: int. B, rows of the global batch.
            seed: int.
            start_step: int. The step of the first batch.
            shard_index: int.
            num_shards: int. This dataset holds B / num_shards rows of each batch.

        Returns:
            Infinite `tf.data.Dataset` of `({"token_ids": int32 (b, M)}, labels int32 (b, M))`. All
            targets of a row are labelled.

        Raises:
            UserError: `min_crop` above the context, a batch that does not divide, or a split that
                cannot be read.
        """
        batches.check_rows(context, batch_size)
        if self.min_crop > context:
            raise UserError(
                f"min_crop {self.min_crop} is more than the context of {context} inputs"
            )
        shard = batches.shard_slice(batch_size, shard_index, num_shards)
        text = self._text("train")
        num_targets = int((text.num_events - 1).sum())

        def make_batch(step):
            # A few numbers for each row of the global batch are cheap; bytes only for this shard.
            key = batches.random_key(seed, _TRAINING_STREAM, step)
            shape = (batch_size,)
            target = batches.draw(key, 0, shape, 0, num_targets - 1, tf.int64)[shard]
            short = batches.draw(key, 1, shape, 0.0, 1.0, tf.float32)[shard]
            short_length = batches.draw(key, 2, shape, self.min_crop, context, tf.int64)[shard]
            first = text.first_target
            document = tf.searchsorted(first, target, side="right", out_type=tf.int64) - 1
            # Event `end` of the document is the last target of the row.
            end = target - tf.gather(first, document) + 1
            most = tf.where(short < self.short_row_fraction, short_length, context)
            length = tf.minimum(end, most)
            events = _gather_events(text, document, end - length, context)
            return batches.rows_from_events(events, length, length)

        return batches.endless(make_batch, seed, start_step)

    def evaluation_dataset(
        self,
        split,
        context,
        batch_size,
        num_latents,
        shard_index=0,
        num_shards=1,
        stride=None,
        places=False,
    ):
        """All targets of a split, each labelled exactly once; see `windows.block_windows`.

        A label is 0 where its target is not to be scored in that row, and in the empty rows that
        fill up the last batch.

        Args:
            split: str. "train", "validation" or "test".
            context: int. M.
            batch_size: int. B, rows of the global batch.
            num_latents: int. N, 1 … M.
            shard_index: int.
            num_shards: int. This dataset holds B / num_shards rows of each batch.
            stride: int or None. Targets scored in a row, 1 … N, by its last latents; None is N.
            places: bool. Whether inputs hold `batches.PLACES` too; see `batches.with_places`.

        Returns:
            Finite `tf.data.Dataset` of `({"token_ids": int32 (b, M)}, labels int32 (b, M))`.

        Raises:
            UserError: more latents than inputs, a batch that does not divide, or a split that
                cannot be read.
        """
        stride = batches.check_rows(context, batch_size, num_latents, stride)
        shard = batches.shard_slice(batch_size, shard_index, num_shards)
        text = self._text(split)
        all_rows = windows.block_windows(text.num_events, context, stride)
        rows = batches.evaluation_rows(all_rows.length.size, batch_size, shard)
        document, start, length, scored = (column[rows] for column in all_rows)

        def make_batch(document, start, length, scored):
            events = _gather_events(text, document, start, context)
            element = batches.rows_from_events(events, length, scored)
            return batches.with_places(element, document, start) if places else element

        return batches.finite((document, start, np.where(rows < 0, 0, length), scored), make_batch)

    def _text(self, split):
        if split not in self._texts:
            self._texts[split] = _Text.of(Corpus.load(self.path, split))
        return self._texts[split]


class _Text(NamedTuple):
    """A corpus as tensors. Dataset functions capture them; they are not written into a graph."""

    array: np.ndarray  # uint8 (bytes,)
    data: tf.Tensor  # the same memory
    offsets: tf.Tensor  # int64 (D + 1,)
    first_target: tf.Tensor  # int64 (D,), targets in the documents before
    num_events: np.ndarray  # int64 (D,)

    @classmethod
    def of(cls, corpus):
        targets = corpus.num_events - 1
        # An accelerator, if there is one, would otherwise take them.
        with tf.device("CPU:0"):
            offsets = tf.constant(corpus.offsets)
            first_target = tf.constant(np.cumsum(targets) - targets)
        # Shares memory with the array; `tf.constant` would hold every byte a second time.
        data = tf.experimental.dlpack.from_dlpack(corpus.data.__dlpack__())
        return cls(corpus.data, data, offsets, first_target, corpus.num_events)


def _gather_events(text, document, start, context):
    """Events start … start + M of documents, int32 (b, M + 1); beyond EOS anything may follow."""
    event = start[:, None] + tf.range(context + 1, dtype=tf.int64)
    offset = tf.gather(text.offsets, document)[:, None]
    size = tf.gather(text.offsets, document + 1)[:, None] - offset
    # SOS comes before byte 0, so event e is byte e − 1.
    index = tf.clip_by_value(offset + event - 1, 0, text.data.shape[0] - 1)
    ids = tf.cast(tf.gather(text.data, index), tf.int32) + NUM_RESERVED
    return tf.where(event == 0, SOS, tf.where(event == size + 1, EOS, ids))
