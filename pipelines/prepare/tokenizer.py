"""A SentencePiece model of a folder's training text."""

import io
import os
import random
import sys

import sentencepiece
import tensorflow as tf

from pipelines import remote
from pipelines.atomic_files import write_bytes
from pipelines.command_line import printable, user_errors
from pipelines.errors import UserError
from pipelines.prepare import documents

# SentencePiece passes over longer lines.
_MOST_BYTES = 4000


def train(folder, output, vocab_size, sentences, seed=0):
    """Trains a model that gives back every text as it was.

    Text is taken as it is: no normalisation, spaces are kept, and a character that is too rare for
    the vocabulary becomes its bytes.

    Args:
        folder: str. Text, in PG-19's layout or not.
        output: str. File of the model.
        vocab_size: int. V, the three reserved ids included.
        sentences: int. Lines to learn from, drawn from all.
        seed: int. Of the draw.

    Raises:
        UserError: no text, too little of it, or a file that cannot be written.
    """
    # First, as learning takes minutes.
    with user_errors(tf.errors.OpError):
        if tf.io.gfile.isdir(output):
            raise UserError(f"{output!r} is a folder: name a file in it, such as books.model")
        if parent := os.path.dirname(output):
            tf.io.gfile.makedirs(parent)
    files = documents.find("text", folder).get("train")
    if not files:
        raise UserError(f"{folder!r} has no folder train: pieces are learnt from its text alone")
    model = io.BytesIO()
    hint = " (give another --vocab_size, or more text)"
    with user_errors(RuntimeError, hint=hint):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(_sample(files, sentences, random.Random(seed))),
            model_writer=model,
            vocab_size=vocab_size,
            pad_id=0,
            eos_id=1,
            bos_id=2,
            unk_id=3,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            input_sentence_size=sentences,
            shuffle_input_sentence=False,
            minloglevel=1,
        )
    write_bytes(output, model.getvalue())


def _sample(files, number, draw):
    """At most so many lines, each as likely as another (Vitter's algorithm R)."""
    kept, seen = [], 0
    for document in files:
        try:
            text = document.text().decode()
        except remote.Away:
            raise
        except UserError as error:  # as it would be left out of the shards
            print(printable(f"skipped {document.name}: {error}", keep=""), file=sys.stderr)
            continue
        for line in text.splitlines():
            for start in range(0, len(line), _MOST_BYTES // 4):
                seen += 1
                if len(kept) < number:
                    kept.append(line[start : start + _MOST_BYTES // 4])
                elif (place := draw.randrange(seen)) < number:
                    kept[place] = line[start : start + _MOST_BYTES // 4]
    return kept
