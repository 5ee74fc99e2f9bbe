"""The copy task: a random sequence, then the same sequence mirrored."""

import re

import numpy as np
import tensorflow as tf

from keras_perceiver_ar.codecs.byte_codec import EOS, NUM_RESERVED, SOS
from pipelines.checks import check_integer
from pipelines.data import batches, windows
from pipelines.errors import UserError

_TRAINING_STREAM = 0
_EVALUATION_STREAM = 1


class CopyTask:
    """Sequences that end with their own mirror image, drawn afresh at every step.

    A sequence is SOS, (length − 2) / 2 uniformly random data ids, the same ids backwards, EOS. The
    first half cannot be predicted; the second half can, by a model that reaches far enough back.
    The paper uses lengths up to 131,072.

    Args:
        length: int. Events of a sequence, SOS and EOS included; even.
        num_values: int. Different data ids.
        min_crop: int, optional. Fewest inputs of a training row. Training rows start with the
            sequence and end anywhere from there on. By default `length // 2`: the last target of
            the shortest row is the first mirrored id.
        evaluation_examples: int. Sequences in each evaluation split.
        evaluation_seed: int. Chooses those sequences. No seed makes them the training ones.

    Raises:
        UserError: a number that does not fit the others.

    Example:

    ```python
    task = CopyTask(length=32)
    inputs, labels = next(iter(task.train_dataset(context=32, batch_size=8, seed=0)))
    ```

    Reference:
        Hawthorne et al., "General-purpose, long-context autoregressive modeling with Perceiver AR",
        ICML 2022, the synthetic copy task.
    """

    evaluation_metrics = ("accuracy",)
    is_text = False

    def __init__(
        self,
        length=32,
        num_values=256,
        min_crop=None,
        evaluation_examples=1024,
        evaluation_seed=0,
    ):
        check_integer("length", length)
        min_crop = length // 2 if min_crop is None else min_crop
        if length < 4 or length % 2:
            raise UserError(
                f"length must be even and at least 4, got {length}: "
                "SOS, a half, its mirror image and EOS"
            )
        check_integer("num_values", num_values)
        check_integer("min_crop", min_crop, least=0)
        if not 1 <= min_crop < length:
            raise UserError(
                f"min_crop must lie in 1 … {length - 1} (length − 1, the inputs of a whole "
                f"sequence), got {min_crop}"
            )
        check_integer("evaluation_examples", evaluation_examples)
        check_integer("evaluation_seed", evaluation_seed, least=0, most=2**63 - 1)
        self.length = length
        self.num_values = num_values
        self.min_crop = min_crop
        self.evaluation_examples = evaluation_examples
        self.evaluation_seed = evaluation_seed

    @property
    def vocab_size(self):
        """int. The reserved ids and the data values."""
        return NUM_RESERVED + self.num_values

    def encode(self, prompt):
        """Ids of a prompt: the numbers of a half, 0 … num_values − 1, with blanks between.

        Raises:
            UserError: something else than such numbers.
        """
        words = prompt.split()
        wrong = [
            word
            for word in words
            if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) >= self.num_values
        ]
        if wrong:
            raise UserError(
                f"a prompt of the copy task is numbers from 0 to {self.num_values - 1} with blanks "
                f"between, got {wrong[0]!r}"
            )
        return [SOS, *(NUM_RESERVED + int(word) for word in words)]

    def decode(self, token_ids):
        """The numbers of a sequence, with blanks between; reserved ids are left out."""
        return " ".join(str(i - NUM_RESERVED) for i in token_ids if i >= NUM_RESERVED)

    def units(self, split):
        """Denominators other than targets that a metric may want: none here.

        Raises:
            UserError: unknown split.
        """
        batches.check_split(split)
        return {}

    def train_dataset(self, context, batch_size, seed, start_step=0, shard_index=0, num_shards=1):
        """Random training rows without end; batch s depends on the seed and s alone.

        Args:
            context: int. M, at least `length`.
            batch_size: int. B, rows of the global batch.
            seed: int.
            start_step: int. The step of the first batch.
            shard_index: int.
            num_shards: int. This dataset holds B / num_shards rows of each batch.

        Returns:
            Infinite `tf.data.Dataset` of `({"token_ids": int32 (b, M)}, labels int32 (b, M))`. All
            targets of a row are labelled.

        Raises:
            UserError: a context too short, or a batch that does not divide.
        """
        self._check_context(context, batch_size)
        shard = batches.shard_slice(batch_size, shard_index, num_shards)
        low, high = windows.crop_range(self.length, self.min_crop)

        def make_batch(step):
            key = batches.random_key(seed, _TRAINING_STREAM, step)
            half = self._draw_half(key, batch_size)[shard]
            length = batches.draw(key, 1, (batch_size,), low, high, tf.int32)[shard]
            return batches.rows_from_events(self._mirror(half, context), length, length)

        return batches.endless(make_batch, seed, start_step)

    def document_units(self, split):
        """`targets` that are scored of each sequence: dict of int64 (evaluation_examples,)."""
        batches.check_split(split)
        return {"targets": np.full(self.evaluation_examples, self.length // 2)}

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
        """Sequences of which the second half is scored.

        Scored are the (length − 2) / 2 mirrored ids and EOS: length / 2 targets of each sequence,
        in one row, or in blocks of `stride`; see `windows.block_windows`. All other labels are 0,
        as are the rows that fill up the last batch. Example i is the same whatever the batch size
        and the number of shards.

        Args:
            split: str. "train", "validation" or "test": each a fixed sample of its own.
            context: int. M, at least `length`.
            batch_size: int. B, rows of the global batch.
            num_latents: int. N, 1 … M.
            shard_index: int.
            num_shards: int. This dataset holds B / num_shards rows of each batch.
            stride: int or None. Targets scored in a row, 1 … N, by its last latents; None is N.
            places: bool. Whether inputs hold `batches.PLACES` too; see `batches.with_places`.

        Returns:
            Finite `tf.data.Dataset` of `({"token_ids": int32 (b, M)}, labels int32 (b, M))`.

        Raises:
            UserError: unknown split, a context too short, more latents than inputs, or a batch
                that does not divide.
        """
        batches.check_split(split)
        stride = self._check_context(context, batch_size, num_latents, stride)
        shard = batches.shard_slice(batch_size, shard_index, num_shards)
        # The mirror image begins with event length / 2.
        blocks = windows.block_windows(self.length, context, stride, unscored=self.length // 2 - 1)
        lengths, scored = (tf.constant(column) for column in (blocks.length, blocks.scored))
        number = blocks.length.size
        rows = batches.evaluation_rows(self.evaluation_examples * number, batch_size, shard)
        stream = _EVALUATION_STREAM + batches.SPLITS.index(split)

        def draw_example(row):
            return self._draw_half(batches.random_key(self.evaluation_seed, stream, row), 1)[0]

        def make_batch(rows):
            example, block = rows // number, rows % number
            half = tf.map_fn(draw_example, example, fn_output_signature=tf.int32)
            length = tf.where(rows >= 0, tf.gather(lengths, block), 0)
            events = self._mirror(half, context)
            element = batches.rows_from_events(events, length, tf.gather(scored, block))
            if not places:
                return element
            # The context takes the whole sequence, so every row begins with it.
            return batches.with_places(element, tf.maximum(example, 0), tf.zeros_like(example))

        return batches.finite(rows, make_batch)

    def _draw_half(self, key, num_rows):
        shape = (num_rows, (self.length - 2) // 2)
        return batches.draw(key, 0, shape, NUM_RESERVED, self.vocab_size - 1, tf.int32)

    def _mirror(self, half, context):
        # (b, (length − 2) / 2) → (b, M + 1), zero padded at the end.
        column = tf.ones_like(half[:, :1])
        events = [column * SOS, half, half[:, ::-1], column * EOS]
        return tf.pad(tf.concat(events, 1), [[0, 0], [0, context + 1 - self.length]])

    def _check_context(self, context, batch_size, num_latents=1, stride=None):
        stride = batches.check_rows(context, batch_size, num_latents, stride)
        if context < self.length:
            raise UserError(
                f"context {context} is shorter than the sequences of the copy task: "
                f"give at least {self.length} (length)"
            )
        return stride
