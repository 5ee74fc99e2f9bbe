"""A SentencePiece model of a folder's training text."""

import io
import random

import sentencepiece

from pipelines.checkpoints import write_bytes
from pipelines.command_line import user_errors
from pipelines.data import corpus
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
    files = documents.find("text", folder)["train"]
    model = io.BytesIO()
    with user_errors(RuntimeError, hint=" (--vocab_size must fit the text)"):
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
        text = corpus.read_text(document.path, document.size, document.part).decode()
        for line in text.splitlines():
            for start in range(0, len(line), _MOST_BYTES // 4):
                seen += 1
                if len(kept) < number:
                    kept.append(line[start : start + _MOST_BYTES // 4])
                elif (place := draw.randrange(seen)) < number:
                    kept[place] = line[start : start + _MOST_BYTES // 4]
    return kept
