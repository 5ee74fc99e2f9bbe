"""python -m pipelines.prepare: raw data to token shards.

`python -m pipelines.prepare tokenizer` trains a SentencePiece model, `python -m pipelines.prepare
inspect PATH` shows what shards hold.
"""

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
        "imagenet64 (any folder of images), maestro (its layout)",
    )
    flags.add_argument("--input", required=True, type=command_line.path, metavar="DIR")
    flags.add_argument("--output", required=True, type=command_line.path, metavar="DIR")
    flags.add_argument(
        "--tokenizer",
        default="bytes",
        type=command_line.path,
        help="of text: bytes, or the file of a SentencePiece model",
    )
    flags.add_argument("--image_size", type=int, default=64, help="side of images in pixels")
    flags.add_argument(
        "--order",
        default="raster",
        type=command_line.path,
        help="of colour values in images: raster, rgb, or a .npy file with a permutation",
    )
    flags.add_argument("--shard_megabytes", type=float, default=64, help="of input, about")
    flags.add_argument("--seed", type=int, default=0, help="of the order of the documents")
    flags.add_argument(
        "--strict", action="store_true", help="stop at a file that cannot be read, skip none"
    )
    flags, beam_flags = flags.parse_known_args(arguments)
    if not flags.shard_megabytes > 0:
        raise UserError(f"--shard_megabytes must be positive, got {flags.shard_megabytes}")
    # Beam warns that it cannot reach Google's buckets by itself; here TensorFlow does that.
    logging.disable(logging.WARNING)
    try:
        from pipelines.prepare import beam_runner
    except ImportError as error:
        raise UserError(f"needs Apache Beam: pip install -e '.[prepare]' ({error})") from error
    finally:
        logging.disable(logging.NOTSET)
    from pipelines.prepare import documents, encoders, job, summary

    beam_runner.check_flags(beam_flags)
    found = documents.find(flags.dataset, flags.input)
    encoder = encoders.make_encoder(flags.dataset, flags.tokenizer, flags.image_size, flags.order)
    made = job.prepare(
        flags.dataset,
        found,
        encoder,
        flags.output,
        shard_bytes=flags.shard_megabytes * 2**20,
        seed=flags.seed,
        strict=flags.strict,
        write_all=functools.partial(beam_runner.write_all, encoder=encoder, flags=beam_flags),
    )
    summary.show(made)
    return None


def _inspect(arguments):
    flags = command_line.parser("pipelines.prepare inspect", "shows what a set of shards holds")
    flags.add_argument("path", type=command_line.path, metavar="PATH")
    flags = flags.parse_args(arguments)

    from pipelines.data import manifest
    from pipelines.prepare import summary

    summary.show(manifest.load(flags.path))


def _tokenizer(arguments):
    flags = command_line.parser("pipelines.prepare tokenizer", "trains a SentencePiece model")
    flags.add_argument("--input", required=True, type=command_line.path, metavar="DIR")
    flags.add_argument("--output", required=True, type=command_line.path, metavar="FILE.model")
    flags.add_argument("--vocab_size", type=int, default=32000, help="reserved ids included")
    flags.add_argument("--sentences", type=int, default=1_000_000, help="lines to learn from")
    flags = flags.parse_args(arguments)
    check_integer("--vocab_size", flags.vocab_size, least=270, most=2**16 + 3)
    check_integer("--sentences", flags.sentences)

    from pipelines.prepare import tokenizer

    tokenizer.train(flags.input, flags.output, flags.vocab_size, flags.sentences)


if __name__ == "__main__":
    command_line.run(main)
