"""Texts as lines of JSON."""

import json

from pipelines.atomic_files import append_bytes, write_bytes
from pipelines.generation.output import Output
from pipelines.generation.text_stream import TextStream


class JsonOutput(Output):
    """A file with an object a line.

    It holds `prompt`, `seed`, which is null of a search, `text`, which is the continuation,
    `log_prob`, the sum over its tokens under the model itself, and `tokens`, their number. The
    lines of a batch are there when it is done, whatever happens later; all of them or none.

    Args:
        decode: function of a list of ids that returns their text; see `TextStream`.
        path: str.
    """

    def __init__(self, decode, path):
        self._decode, self._path = decode, path
        self._count = 0

    def __exit__(self, kind, error, trace):
        self.say_cut(error, self._count, "line")
        if error is None:
            self.say_written(self._path)

    def add(self, batch):
        lines = [json.dumps(self._describe(drawn), ensure_ascii=False) for drawn in batch]
        content = "".join(f"{line}\n" for line in lines).encode()
        # The first ones take the place of a file of before, once they are whole.
        (append_bytes if self._count else write_bytes)(self._path, content)
        self._count += len(lines)

    def _describe(self, drawn):
        stream = TextStream(self._decode)
        prompt = stream.add(drawn.row.token_ids)
        text = stream.add(drawn.continuation) + stream.end()
        return {
            "prompt": prompt,
            "seed": drawn.seed,
            "text": text,
            "log_prob": float(drawn.log_probs.sum(dtype="float64")),
            "tokens": len(drawn.continuation),
        }
