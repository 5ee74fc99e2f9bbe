"""Rows of prepared token shards: text, images or music."""

import os

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs.byte_codec import SOS
from pipelines.checks import check_integer
from pipelines.data import batches, manifest, order, shard_reader, windows
from pipelines.data.codecs import codec_of
from pipelines.data.crops import RandomCrop
from pipelines.data.event_positions import event_positions
from pipelines.data.examples import Examples
from pipelines.data.shard_reader import Shards
from pipelines.data.units import of_shards, totals
from pipelines.errors import UserError

# Rows that are cut out of a window at a time.
_CHUNK = 64


class ShardsTask:
    """Rows of the documents that `pipelines.prepare` wrote as shards.

    A document is SOS, its tokens and, where the manifest says so, EOS. In an epoch each document
    gives one example for every `targets_per_example` targets, at places that are drawn anew each
    epoch and cover the document evenly; each example comes once. See `order` for which host reads
    what, and when.

    Args:
        path: str or path. Folder of the shards, local or `gs://…`.
        crop: `RandomCrop`, `LatentCrop` or None, which is `RandomCrop()`.
        targets_per_example: int or None. None is the context; a large number is one example for
            each document and epoch, however long it is.
        window_megabytes: int. Tokens that are in memory at once, shuffled among each other: about
            three times as much is held. At least one shard.
        target_positions: bool. Of images: see `keras_perceiver_ar.positions.with_targets`.

    Attributes:
        positions: int32 (E, P), those of every event of a document, or None, which is 1, 2, …

    Raises:
        UserError: no such shards, a number out of range.

    Example:

    ```python
    task = ShardsTask("gs://my-bucket/pg19-bytes")
    dataset = task.train_dataset(context=8192, batch_size=32, seed=0)
    ```
    """

    def __init__(
        self,
        path,
        crop=None,
        targets_per_example=None,
        window_megabytes=128,
        target_positions=False,
    ):
        if not isinstance(path, (str, os.PathLike)):
            raise UserError(f"path must name a folder, in quotes, got {path!r}")
        check_integer("targets_per_example", targets_per_example, most=2**63 - 1, optional=True)
        check_integer("window_megabytes", window_megabytes, most=batches.MOST)
        self.path = os.path.expanduser(os.fspath(path))
        self.crop = RandomCrop() if crop is None else crop
        if not hasattr(self.crop, "place") or isinstance(self.crop, type):
            raise UserError(
                f"crop must be a crop, such as @RandomCrop() with brackets, got {crop!r}"
            )
        self.targets_per_example = targets_per_example
        self.window_bytes = window_megabytes * 2**20
        self.manifest = manifest.load(self.path)
        self.codec = codec_of(self.manifest, self.path)
        self.positions = event_positions(self.codec.positions, target_positions, self.path)

    @property
    def vocab_size(self):
        """V, the reserved ids included."""
        return self.manifest.vocab_size

    @property
    def fingerprint(self):
        """str. Of everything that decides what the shards hold, wherever they lie."""
        return self.manifest.identity

    @property
    def codec_settings(self):
        """dict. What decides what ids stand for; not how the files beside the shards are named."""
        return {name: value for name, value in self.manifest.codec.items() if name != "file"}

    @property
    def evaluation_metrics(self):
        """Names of what the codec's data is measured by."""
        return self.codec.metrics

    @property
    def is_text(self):
        """Whether ids are bytes of text."""
        return self.codec.is_text

    @property
    def sentencepiece_model(self):
        """bytes of the model file whose pieces ids are, or None."""
        return getattr(self.codec, "model", None)

    def encode(self, prompt):
        """Ids of a document that starts with the prompt."""
        return [SOS, *self.codec.encode(prompt)]

    def decode(self, token_ids):
        """What the ids stand for: the codec's text, image or notes."""
        return self.codec.decode(token_ids)

    def units(self, split):
        """Denominators other than targets: `bytes`, `words` and `documents` of a split."""
        return totals(self.document_units(split))

    def document_units(self, split):
        """`bytes` and `words` of each document, and its `targets`: dict of int64 (D,)."""
        return of_shards(self.manifest.shards(split, self.path), self.manifest.ends)

    @property
    def masks(self):
        """tuple of `LogitMask`. What may follow what, as the codec has it."""
        return self.codec.masks

    @property
    def suffix(self):
        """str, of the files that `write` makes of what is generated; None for text."""
        return self.codec.suffix if hasattr(self.codec, "write") else None

    def write(self, token_ids, path):
        """Writes an image or a performance, SOS in front or not, to a file.

        Raises:
            UserError: it cannot be written.
        """
        self.codec.write(token_ids, path)

    def check_contents(self):
        """Refuses shards that are not what they were, or not what their manifest says.

        Reads every byte twice, so it is for after reading one has failed. What it finds besides
        that: a shard in the place of another, of as many bytes and documents of the same lengths.
        Images are all alike in that, and a run reads them as they are.

        Raises:
            UserError: names the first one.
        """
        for split, shards in self.manifest.splits.items():
            manifest.check_contents(self.path, shards)
            if any(shard.documents for shard in shards):
                shard_reader.check_records(Shards.of(self.path, self.manifest, split))

    def train_dataset(self, context, batch_size, seed, start_step=0, shard_index=0, num_shards=1):
        """Rows of the training split without end; see `order` for their order.

        Args:
            context: int. M.
            batch_size: int. B, rows of the global batch.
            seed: int.
            start_step: int. The step of the first batch.
            shard_index: int. Number of this host.
            num_shards: int. Hosts; this dataset holds B / num_shards rows of each batch.

        Returns:
            Infinite `tf.data.Dataset` of `(inputs, labels int32 (b, M))`; inputs hold `token_ids`
            int32 (b, M), and `positions` int32 (b, M, P) where the codec has some.

        Raises:
            UserError: a number out of range, a crop that the context is too short for, a batch
                that does not divide, a split that is not there, or more hosts than examples.
        """
        batches.check_rows(context, batch_size)
        batches.check_start(seed, start_step)
        self.crop.check_context(context)
        rows = batches.shard_slice(batch_size, shard_index, num_shards)
        rows = rows.stop - rows.start
        shards = self._shards("train")
        examples = Examples.of(shards, self.targets_per_example or context)
        of_shards = examples.of_shards
        part = order.host_part(of_shards, shard_index, num_shards)
        if not part.shard.size:
            raise UserError(
                f"{self.path!r} has {of_shards.sum()} examples, too few for {num_shards} hosts"
            )
        at_once = shards.of_window(self.window_bytes, part.shard)
        begin = order.find(part, at_once, seed, shard_index, start_step * rows)
        part = order.Part(*(tf.constant(column) for column in part))

        def load(window):
            """A window's epoch, its examples in order, and the documents that they are cut from."""
            epoch, numbers, shard = order.of_window(
                part, examples.first_of_shard, at_once, seed, shard_index, window
            )
            skip = tf.where(window == begin.window, tf.constant(begin.skip, tf.int64), 0)
            return epoch, numbers[skip:], shard_reader.read(shards, shard)

        def cut(epoch, numbers, documents):
            """A window's rows, some at a time."""

            def make_rows(number, end, scored):
                length = tf.minimum(end, context)
                number = tf.cast(number, tf.int64)
                return self._rows(shards, documents, number, end - length, length, scored, context)

            chunks = tf.data.Dataset.from_tensor_slices(numbers)
            chunks = chunks.map(lambda number: examples.place(number, self.crop, seed, epoch))
            chunks = chunks.batch(_CHUNK)
            return chunks.map(make_rows, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

        dataset = tf.data.Dataset.range(begin.window, tf.int64.max)
        # One window is used up while the next one is read.
        dataset = dataset.map(load, num_parallel_calls=2, deterministic=True)
        return batches.settle(dataset.flat_map(cut).rebatch(rows, drop_remainder=True))

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

        Args:
            split: str.
            context: int. M.
            batch_size: int. B, rows of the global batch.
            num_latents: int. N, 1 … M.
            shard_index: int. Number of this host, which reads its own part of the rows.
            num_shards: int. Hosts; each has as many batches, filled up with empty rows.
            stride: int or None. Targets scored in a row, 1 … N, by its last latents; None is N.
            places: bool. Whether inputs hold `batches.PLACES` too; see `batches.with_places`.

        Returns:
            Finite `tf.data.Dataset`, of elements as those of `train_dataset`.

        Raises:
            UserError: more latents than inputs, a batch that does not divide, no such split.
        """
        stride = batches.check_rows(context, batch_size, num_latents, stride)
        rows = batches.shard_slice(batch_size, shard_index, num_shards)
        rows = rows.stop - rows.start
        shards = self._shards(split)
        # One event more than targets: SOS.
        every = windows.block_windows(shards.num_targets + 1, context, stride)
        num_batches = -(-every.length.size // batch_size)
        low = min(shard_index * num_batches * rows, every.length.size)
        high = min(low + num_batches * rows, every.length.size)
        first_of_shard = np.searchsorted(every.document, shards.first_document)
        part = order.pieces(np.diff(first_of_shard), low, high)
        columns = [tf.constant(column.astype(np.int64)) for column in every]
        first_of_shard = tf.constant(first_of_shard)

        def load(shard, first, count):
            first += tf.gather(first_of_shard, shard)
            return first, count, shard_reader.read(shards, shard[None])

        def cut(first, count, documents):
            def make_rows(index):
                row = [tf.gather(column, index) for column in columns]
                element = self._rows(shards, documents, *row, context)
                return batches.with_places(element, *row[:2]) if places else element

            chunks = tf.data.Dataset.range(first, first + count).batch(_CHUNK)
            chunks = chunks.map(make_rows, tf.data.AUTOTUNE, deterministic=True)
            return chunks.unbatch()

        dataset = tf.data.Dataset.from_tensor_slices(tuple(part))
        dataset = dataset.map(load, num_parallel_calls=4, deterministic=True).flat_map(cut)
        missing = num_batches * rows - (high - low)
        empty = tf.nest.map_structure(
            lambda spec: tf.zeros(spec.shape, spec.dtype), dataset.element_spec
        )
        dataset = dataset.concatenate(tf.data.Dataset.from_tensors(empty).repeat(missing))
        dataset = dataset.batch(rows, drop_remainder=True)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
        return batches.settle(dataset)

    def _rows(self, shards, documents, number, start, length, scored, context):
        """Element of the dataset: rows of these documents from event `start` on."""
        events = shard_reader.events(shards, documents, number, start, context)
        inputs, labels = batches.rows_from_events(events, length, scored)
        if self.positions is not None:
            place = tf.range(context, dtype=tf.int64)
            event = tf.minimum(start[:, None] + place, len(self.positions) - 1)  # its last
            positions = tf.gather(tf.constant(self.positions, tf.int32), event)
            inputs["positions"] = tf.where((place < length[:, None])[..., None], positions, 0)
        return inputs, labels

    def _shards(self, split):
        manifest.check_files(self.path, self.manifest.shards(split, self.path))
        return Shards.of(self.path, self.manifest, split)
