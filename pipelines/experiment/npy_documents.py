"""The documents of one split of a set of .npy files, and rows cut out of them with numpy."""

import os

import numpy as np

from keras_perceiver_ar.codecs.event_ids import EOS, NUM_RESERVED, SOS
from pipelines.experiment import npy_set


class NpyDocuments:
    """D documents of E events each: SOS, tokens and, where the set says so, EOS.

    Args:
        path: str. Folder of the set.
        made: `NpySet`.
        split: str. One of the set's.
        positions: int32 (E, P), those of every event of a document, or None.

    Attributes:
        num_events: int64 (D,). E of each document.

    Raises:
        UserError: a file that does not hold what the set says; of ids, when they are read.
    """

    def __init__(self, path, made, split, positions=None):
        sizes = made.splits[split]
        name = npy_set.array_file(split, "offsets")
        self._offsets = npy_set.read_array(path, name, np.int64, (sizes["documents"] + 1,))
        num_tokens = np.diff(self._offsets)
        ends = self._offsets[0], self._offsets[-1]
        if ends != (0, sizes["tokens"]) or num_tokens.min() < 1:
            raise npy_set.damaged(os.path.join(path, name), "they are none of such tokens")
        self.num_events = num_tokens + 1 + int(made.ends)
        if positions is not None and self.num_events.max() > len(positions):
            raise npy_set.damaged(os.path.join(path, name), "they leave more than has positions")
        name = npy_set.array_file(split, "tokens")
        self._file, self._num_tokens = os.path.join(path, name), made.vocab_size - NUM_RESERVED
        kind = npy_set.TOKEN_TYPES[made.token_bytes]
        self._tokens = npy_set.read_array(path, name, kind, (sizes["tokens"],))
        self._positions = positions

    def events(self, number):
        """All of a document: int32 (E,)."""
        events = np.empty(self.num_events[number], np.int32)
        self._read(number, 0, events)
        return events

    def rows(self, document, start, length, scored, context):
        """Inputs and labels of rows.

        Args:
            document: int64 (B,). Number of each row's document; of a row that is empty, −1.
            start: int64 (B,). First event of each row; event 0 is SOS.
            length: integers (B,). Inputs of each row, 0 … M; the document has one event more.
            scored: integers (B,). Targets that count, the last ones of each row.
            context: int. M.

        Returns:
            `(inputs, labels int32 (B, M))`; inputs hold `token_ids` int32 (B, M), and `positions`
            int32 (B, M, P) if there are some.
        """
        shape = (document.size, context)
        inputs, labels = {"token_ids": np.zeros(shape, np.int32)}, np.zeros(shape, np.int32)
        if self._positions is not None:
            inputs["positions"] = np.zeros((*shape, self._positions.shape[1]), np.int32)
        events = np.empty(context + 1, np.int32)
        # Row by row, as each is one stretch of the file.
        for row in np.flatnonzero(document >= 0):
            first, end = int(start[row]), int(length[row])
            begin = end - int(scored[row])
            self._read(document[row], first, events[: end + 1])
            inputs["token_ids"][row, :end] = events[:end]
            labels[row, begin:end] = events[begin + 1 : end + 1]
            if self._positions is not None:
                inputs["positions"][row, :end] = self._positions[first : first + end]
        return inputs, labels

    def _read(self, number, start, out):
        """Writes the events of a document from `start` on, as many as `out` takes."""
        first, behind = self._offsets[number], self._offsets[number + 1]
        size = int(behind - first)
        # SOS comes before token 0, so event e is token e − 1.
        low, high = max(start, 1), min(start + out.size, size + 1)
        tokens = self._tokens[first + low - 1 : first + high - 1]
        # A model would not say so, or not where from. It costs a fraction of the copy.
        if tokens.max(initial=0) >= self._num_tokens:
            raise npy_set.damaged(self._file, "it holds ids beyond the vocabulary")
        np.add(tokens, NUM_RESERVED, out=out[low - start : high - start], dtype=np.int32)
        if start == 0:
            out[0] = SOS
        if start + out.size > size + 1:
            out[size + 1 - start] = EOS
