"""python -m pipelines.prepare: raw data to token shards, or to .npy files.

`python -m pipelines.prepare tokenizer` trains a SentencePiece model, `python -m pipelines.prepare
inspect PATH` shows what shards hold: numbers, lengths, and the first documents decoded.
"""

import argparse
import functools
import logging
import sys

from pipelines import command_line
from pipelines.checks import check_integer
from pipelines.errors import UserError


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    commands = {"inspect": _inspect, "tokenizer": _tokenizer}
    if arguments and arguments[0] in commands:
        return commands[arguments[0]](arguments[1:])
    flags = command_line.parser("pipelines.prepare", __doc__)
    flags.add_argument(
        "--dataset",
        required=True,
        help="what the input is: pg19 (its layout), text (any folder of .txt files), "
        "imagenet64 (any folder of images), maestro (its layout), or tfds:NAME[/CONFIG][:VERSION], "
        "a set of TensorFlow Datasets, prepared already, in the data directory --input",
    )
    flags.add_argument(
        "--input",
        required=True,
        type=command_line.path,
        metavar="DIR",
        help="folder of the raw data, local or gs://",
    )
    flags.add_argument(
        "--output",
        required=True,
        type=command_line.path,
        metavar="DIR",
        help="folder for the shards and their manifest.json, local or gs://",
    )
    flags.add_argument(
        "--format",
        choices=("shards", "npy"),
        default="shards",
        help="shards, which pipelines.train reads, or npy: an array of all tokens for each split, "
        "to be mapped into memory where there is no TensorFlow; --output must be local then",
    )
    flags.add_argument(
        "--tokenizer",
        type=command_line.path,
        help="of text: bytes, as without it, or the file of a SentencePiece model",
    )
    flags.add_argument(
        "--feature",
        metavar="NAME",
        help="of a tfds: set, the text or image to take; by default book_text, text or image",
    )
    flags.add_argument("--image_size", type=int, help="side of images in pixels, 64 if left out")
    flags.add_argument(
        "--order",
        type=command_line.path,
        help="of colour values in images: raster, as without it, rgb, or a .npy file with a "
        "permutation",
    )
    flags.add_argument(
        "--transpose",
        type=int,
        default=0,
        metavar="SEMITONES",
        help="of music: training performances also in the keys up to so far up and down",
    )
    flags.add_argument(
        "--stretch",
        type=_factors,
        default=[],
        metavar="FACTOR,FACTOR",
        help="of music: training performances also slower and faster; 0.95,1.05 adds two of each, "
        "0.95 and 1.05 times as long",
    )
    flags.add_argument(
        "--shard_megabytes",
        type=float,
        default=64,
        help="how much raw data goes into a shard, about",
    )
    flags.add_argument("--seed", type=int, default=0, help="of the order of the documents")
    flags.add_argument(
        "--strict", action="store_true", help="stop at a file that cannot be read, skip none"
    )
    flags, beam_flags = flags.parse_known_args(arguments)
    if not flags.shard_megabytes > 0:
        raise UserError(f"--shard_megabytes must be positive, got {flags.shard_megabytes}")
    if flags.format == "npy" and "://" in flags.output:
        raise UserError(
            f"--format=npy writes to a local --output alone, got {flags.output!r}: files in a "
            "bucket cannot be mapped into memory; name a local folder, or leave --format out"
        )
    # It tells of file systems that it would like to have; what is used here is TensorFlow's.
    logging.disable(logging.WARNING)
    try:
        from pipelines.prepare import beam_runner
    except ImportError as error:
        raise UserError(f"needs Apache Beam: pip install -e '.[prepare]' ({error})") from error
    finally:
        logging.disable(logging.NOTSET)
    import tensorflow as tf

    from pipelines.data import manifest
    from pipelines.prepare import encoders, job, npy_writer, summary

    beam_runner.check_flags(beam_flags)
    shard_bytes = flags.shard_megabytes * 2**20
    # Of folders that go away in the middle, for instance.
    with command_line.user_errors(tf.errors.OpError):
        was_there = manifest.is_set(flags.output)
        dataset, encoding, found = _find(flags, shard_bytes)
        given = {name: getattr(flags, name) for name in ("tokenizer", "image_size", "order")}
        encoder = encoders.make_encoder(
            encoding, **{name: value for name, value in given.items() if value is not None}
        )
        prepare = {"shards": job.prepare, "npy": npy_writer.prepare}[flags.format]
        made = prepare(
            dataset,
            found,
            encoder,
            flags.output,
            shard_bytes=shard_bytes,
            seed=flags.seed,
            strict=flags.strict,
            write_all=functools.partial(beam_runner.write_all, encoder=encoder, flags=beam_flags),
        )
    if made is None:
        return None
    summary.show(made)
    if not was_there:
        print(f"wrote {flags.output}")
    return None


def _find(flags, shard_bytes):
    """What the set is called, how it is encoded, and its documents."""
    from pipelines.prepare import documents

    name = flags.dataset
    if (flags.transpose or flags.stretch) and name != "maestro":
        raise UserError("--transpose and --stretch are of --dataset=maestro alone: leave them out")
    if name.startswith(documents.TFDS):
        # Imported for sets of it alone: it takes seconds.
        from pipelines.prepare import tfds_source

        name = name.removeprefix(documents.TFDS)
        return tfds_source.find(name, flags.input, flags.feature, shard_bytes)
    if flags.feature:
        raise UserError(f"--feature is of --dataset={documents.TFDS}… alone: leave it out")
    found = documents.find(name, flags.input)
    if (flags.transpose or flags.stretch) and "train" in found:
        from pipelines.prepare import variations

        found["train"] = variations.vary(found["train"], flags.transpose, flags.stretch)
    return name, name, found


def _factors(text):
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be numbers with commas, got {text!r}") from error


def _inspect(arguments):
    flags = command_line.parser("pipelines.prepare inspect", "shows what a set of shards holds")
    flags.add_argument("path", type=command_line.path, metavar="PATH", help="local or gs://")
    flags.add_argument(
        "--output",
        type=command_line.path,
        metavar="DIR",
        help="for a picture of the lengths if they differ, and the examples as text, a picture or "
        "MIDI; files of these names from an earlier look are overwritten or removed",
    )
    flags.add_argument("--split", default="train", help="where the examples are from")
    flags.add_argument("--examples", type=int, default=4, help="how many documents to decode")
    flags.add_argument(
        "--check", action="store_true", help="read every byte of every shard: is it what it was?"
    )
    flags = flags.parse_args(arguments)
    with command_line.user_errors(ImportError, hint=": pip install -e '.[prepare]'"):
        from pipelines.prepare import inspection

    inspection.show(flags.path, flags.split, flags.examples, flags.output, flags.check)


def _tokenizer(arguments):
    flags = command_line.parser("pipelines.prepare tokenizer", "trains a SentencePiece model")
    flags.add_argument("--input", required=True, type=command_line.path, metavar="DIR")
    flags.add_argument("--output", required=True, type=command_line.path, metavar="FILE.model")
    flags.add_argument("--vocab_size", type=int, default=32000, help="reserved ids included")
    flags.add_argument("--sentences", type=int, default=1_000_000, help="lines to learn from")
    flags = flags.parse_args(arguments)
    check_integer("--vocab_size", flags.vocab_size, least=270, most=2**16 + 3)
    check_integer("--sentences", flags.sentences, least=101)  # SentencePiece's own least

    from pipelines.prepare import tokenizer

    # SentencePiece makes exactly as many pieces, or refuses.
    tokenizer.train(flags.input, flags.output, flags.vocab_size, flags.sentences)
    print(f"wrote {flags.output}, {flags.vocab_size:,} pieces")


if __name__ == "__main__":
    command_line.run(main)
