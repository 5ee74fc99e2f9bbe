"""Rows of a set of .npy files, cut with numpy: those of `ShardsTask`, without TensorFlow.

D documents, E events of one, B rows of a batch, M inputs, P coordinates of a position.
"""

import collections.abc
import os

import keras
import numpy as np

from pipelines.checks import check_integer
from pipelines.data import row_checks, windows
from pipelines.data.event_positions import event_positions
from pipelines.errors import UserError
from pipelines.experiment import npy_set
from pipelines.experiment.npy_documents import NpyDocuments

TRAIN = "train"


class NpyRows:
    """Rows of the documents that `pipelines.prepare --format=npy` wrote.

    A document is SOS, its tokens and, where the set says so, EOS. Its files are mapped into memory:
    what is read of them stays in the system's cache, and nothing is loaded at the start.

    Args:
        path: str or path. Local folder.
        target_positions: bool. Of images: see `keras_perceiver_ar.positions.with_targets`.

    Attributes:
        positions: int32 (E, P), those of every event of a document, or None, which is 1, 2, …

    Raises:
        UserError: no such set, or one of which a file is missing or of another size.

    Example:

    ```python
    rows = NpyRows("shards/books-npy")
    model.fit(rows.training_data(context=8192, batch_size=8, seed=0, steps=1000), shuffle=False)
    ```
    """

    def __init__(self, path, target_positions=False):
        if not isinstance(path, (str, os.PathLike)):
            raise UserError(f"path must name a folder, in quotes, got {path!r}")
        self.path = os.path.expanduser(os.fspath(path))
        if "://" in self.path:
            raise UserError(
                f"path must name a local folder, got {self.path!r}: files in a bucket cannot be "
                "mapped into memory; copy the folder first"
            )
        self._set = npy_set.load(self.path)
        npy_set.check_sizes(self.path, self._set.files)
        self._splits = {}
        self._places = {}
        positions = None
        if npy_set.POSITIONS in self._set.files:
            positions = npy_set.read_array(self.path, npy_set.POSITIONS, np.int32, 2)
        self.positions = event_positions(positions, target_positions, self.path)

    @property
    def vocab_size(self):
        """V, the reserved ids included."""
        return self._set.vocab_size

    @property
    def codec(self):
        """dict. `name` ("bytes", "sentencepiece", "image", "performance") and its settings."""
        return self._set.codec

    @property
    def splits(self):
        """tuple of str. Those that have documents."""
        return tuple(self._set.splits)

    def num_events(self, split):
        """int64 (D,). E of each document of a split.

        Raises:
            UserError: no document in it.
        """
        return self._split(split).num_events

    def events(self, split, number):
        """A whole document: int32 (E,), SOS first and EOS, where there is one, last.

        Args:
            split: str.
            number: int. Of the document, from 0 on.

        Raises:
            UserError: no such split or document.
        """
        read = self._split(split)
        check_integer("number of a document", number, least=0, most=read.num_events.size - 1)
        return read.events(number)

    def units(self, split):
        """dict of "bytes" and "words" to int64 (D,), those of each document; empty but for text.

        Raises:
            UserError: no document in the split.
        """
        documents = self._split(split).num_events.size
        names = {what: npy_set.array_file(split, what) for what in ("bytes", "words")}
        return {
            what: npy_set.read_array(self.path, name, np.int64, (documents,))
            for what, name in names.items()
            if name in self._set.files
        }

    def check_contents(self):
        """Refuses files that are not what they were; reads every byte.

        Raises:
            UserError: names the first one.
        """
        npy_set.check_contents(self.path, self._set.files)

    def training_batch(self, context, batch_size, seed, step, min_inputs=1):
        """A batch of the training split: a pure function of seed and step.

        A row ends anywhere behind the first inputs of a document, all such places of all documents
        alike, and all of its targets are labelled, as `RandomCrop` has it. Row r is the same in a
        batch of any size.

        Args:
            context: int. M.
            batch_size: int. B.
            seed: int.
            step: int.
            min_inputs: int. Fewest inputs; a shorter document is taken whole.

        Returns:
            `(inputs, labels int32 (B, M))`; inputs hold `token_ids` int32 (B, M), and `positions`
            int32 (B, M, P) where the codec has some.

        Raises:
            UserError: a number out of range, or no training split.
        """
        row_checks.check_rows(context, batch_size)
        row_checks.check_start(seed, step)
        check_integer("min_inputs", min_inputs, most=row_checks.MOST)
        first, behind = self._ends_of_crops(min_inputs)
        # numpy promises the bits of Philox, not those of what draws numbers from them.
        bits = np.random.Philox(key=np.asarray([seed, step], np.uint64)).random_raw(batch_size)
        choice = np.asarray([int(each) * int(behind[-1]) >> 64 for each in bits])
        document = np.searchsorted(behind, choice, side="right")
        before = np.where(document > 0, behind[document - 1], 0)
        end = first[document] + choice - before
        length = np.minimum(end, context)
        return self._split(TRAIN).rows(document, end - length, length, length, context)

    def training_data(self, context, batch_size, seed, steps, start_step=0, min_inputs=1):
        """The batches of steps `start_step` … `start_step` + `steps` − 1, for `fit`.

        `fit` needs `shuffle=False`. Each of its epochs takes the same batches: to go on, ask for
        those that follow.

        Args:
            context, batch_size, seed, min_inputs: as for `training_batch`.
            steps: int. Batches.
            start_step: int. The step of the first batch.

        Returns:
            `keras.utils.PyDataset` of `steps` elements as those of `training_batch`.

        Raises:
            UserError: as `training_batch`.
        """
        check_integer("steps", steps, most=row_checks.MOST)
        row_checks.check_start(seed, start_step)
        row_checks.check_start(seed, start_step + steps - 1)
        row_checks.check_rows(context, batch_size)
        check_integer("min_inputs", min_inputs, most=row_checks.MOST)
        self._split(TRAIN)

        def make_batch(index):
            return self.training_batch(context, batch_size, seed, start_step + index, min_inputs)

        return _TrainingData(make_batch, steps)

    def evaluation_batches(self, split, context, batch_size, stride, documents=None):
        """All targets of a split, each labelled exactly once; see `windows.block_windows`.

        Args:
            split: str.
            context: int. M.
            batch_size: int. B.
            stride: int. Targets scored in a row, 1 … M; of a model, as many as it has latents or
                fewer.
            documents: int or None. The first so many alone.

        Returns:
            Sequence of `(inputs, labels, document int64 (B,), start int64 (B,))`; inputs and labels
            as those of `training_batch`. Event `start` of the document is the row's first input.
            The last batch is filled up with rows that are empty, of document −1 and start 0. Its
            attribute `document`, int64 (rows,), is that of all rows but the empty ones.

        Raises:
            UserError: a number out of range, or no such split.
        """
        row_checks.check_rows(context, batch_size)
        check_integer("stride", stride, most=context)
        check_integer("documents", documents, optional=True)
        read = self._split(split)
        every = windows.block_windows(read.num_events[:documents], context, stride)

        def make_batch(rows):
            part = windows.Windows(*(column[rows] for column in every))
            missing = batch_size - part.document.size
            start, length, scored = (np.pad(column, (0, missing)) for column in part[1:])
            document = np.pad(part.document, (0, missing), constant_values=-1)
            batch = read.rows(document, start, length, scored, context)
            return *batch, document, start

        return _EvaluationBatches(make_batch, every.document, batch_size)

    def _ends_of_crops(self, min_inputs):
        """int64 (D,) twice: the fewest inputs of a crop, and how many crops end up to here."""
        if min_inputs not in self._places:
            num_targets = self.num_events(TRAIN) - 1
            first = np.minimum(num_targets, min_inputs)
            self._places[min_inputs] = first, np.cumsum(num_targets - first + 1)
        return self._places[min_inputs]

    def _split(self, split):
        row_checks.check_split(split)
        if split not in self._set.splits:
            raise UserError(
                f"the set in {self.path!r} holds no document of the split {split!r} (there is "
                f"{', '.join(self.splits)}): prepare it from a folder that has some"
            )
        if split not in self._splits:
            self._splits[split] = NpyDocuments(self.path, self._set, split, self.positions)
        return self._splits[split]


class _TrainingData(keras.utils.PyDataset):
    """Batches in the order of their steps; Keras' `fit` would shuffle them."""

    def __init__(self, make_batch, steps):
        super().__init__()
        self._make_batch, self._steps, self._last = make_batch, steps, -1

    def __len__(self):
        return self._steps

    def __getitem__(self, index):
        # Keras begins anew after it has looked at the first batch.
        if index not in (0, self._last + 1):
            raise UserError(
                f"step {index} comes behind step {self._last}: give `fit` shuffle=False, or rows "
                "are not those of their steps"
            )
        self._last = index
        return self._make_batch(index)


class _EvaluationBatches(collections.abc.Sequence):
    """Batches of rows, of which `document` is known beforehand."""

    def __init__(self, make_batch, document, batch_size):
        self._make_batch, self.document, self._batch_size = make_batch, document, batch_size

    def __len__(self):
        return -(-self.document.size // self._batch_size)

    def __getitem__(self, index):
        first = range(len(self))[index] * self._batch_size
        return self._make_batch(slice(first, first + self._batch_size))
