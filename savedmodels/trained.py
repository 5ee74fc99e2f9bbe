"""python -m savedmodels.trained: the model that an experiment trains, exported, with a card."""

import argparse
import os
import sys

from pipelines import command_line
from pipelines.errors import UserError

# The experiment that trains the model of each kind.
EXPERIMENTS = {
    "copy": "copy",
    "books": "latents_books",
    "images": "orders",
    "piano": "piano",
}


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    from pipelines.experiment import catalogue

    arguments = sys.argv[1:] if arguments is None else arguments
    flags = command_line.parser("savedmodels.trained", __doc__)
    flags.add_argument(
        "kind",
        choices=EXPERIMENTS,
        help="of the model, which is that of one experiment and no other: "
        + ", ".join(f"{kind} of {name}" for kind, name in EXPERIMENTS.items()),
    )
    flags.add_argument(
        "--size", choices=catalogue.SIZES, default="cpu", help="as for pipelines.experiment"
    )
    flags.add_argument(
        "--experiment",
        required=True,
        type=command_line.path,
        metavar="DIR",
        help="--output of pipelines.experiment; what is missing there of the experiment of this "
        "kind is trained and measured now, whatever others have left there",
    )
    flags.add_argument(
        "--output",
        required=True,
        type=command_line.path,
        metavar="DIR",
        help="directory of the model's versions, and of its card, README.md",
    )
    flags.add_argument(
        "--data_name",
        type=_text,
        metavar="TEXT",
        help="what the data are, for the card: their folder does not tell; not known if left out",
    )
    flags.add_argument(
        "--data_licence",
        type=_text,
        metavar="TEXT",
        help="the licence of the data, for the card: not known if left out",
    )
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)
    name = EXPERIMENTS[flags.kind]
    experiment = catalogue.make(name, flags.size, flags.gin_file, flags.gin_bindings)
    _check(flags, experiment)

    from pipelines.experiment import devices, ownership
    from pipelines.experiment.__main__ import COMPILED, make_folder, say
    from savedmodels import card, sizes
    from savedmodels.writer import write_version

    path = make_folder(flags.experiment) / name
    devices.keep_compiled(path.with_name(COMPILED))
    with ownership.owned(path, experiment):
        say(_say_which(flags.kind, name, experiment, path))
        rows = experiment.run(path, say).rows
        model, history = experiment.trained(path, say)
    written, signatures = write_version(model, flags.output, *_rules([*experiment.sets.values()]))
    card.Card(
        kind=flags.kind,
        experiment=experiment,
        name=name,
        size=flags.size,
        model=model,
        weights=experiment.kept_weights(path).name,
        history=history,
        rows=rows,
        version=written,
        signatures=signatures,
        command=["python", "-m", "savedmodels.trained", *map(str, arguments)],
        data_name=flags.data_name,
        data_licence=flags.data_licence,
    ).write()
    print(f"the model of {flags.kind} is now {written}, with {', '.join(signatures)}")
    print("\n".join(sizes.report(written)))
    print(f"its card is {os.path.join(flags.output, card.FILE)}")


def _text(text):
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return " ".join(text.split())


def _check(flags, experiment):
    """Refuses what would fail, or mislead, after the training."""
    from pipelines import figures
    from pipelines.experiment import npy_set

    figures.check_installed("the curve on a card needs")
    if "://" in flags.output:
        raise UserError(
            f"--output must be a local folder, got {flags.output!r}: copy it from there"
        )
    if not experiment.sets and (flags.data_name or flags.data_licence):
        raise UserError(
            f"{flags.kind} is trained on random ids: leave --data_name and --data_licence out"
        )
    if flags.kind == "books":
        (data,) = experiment.sets.values()
        codec = npy_set.load(data).codec["name"]
        if codec not in ("bytes", "sentencepiece"):
            raise UserError(
                f"the set in {data!r} holds no text but {codec}: prepare one with --dataset=pg19 "
                "--format=npy, or name another kind than books"
            )


def _say_which(kind, name, experiment, path):
    """Whose model it is, and whether its weights are there: others may lie beside them."""
    from pipelines.experiment import fitting

    weights = experiment.kept_weights(path)
    steps = fitting.steps_done(weights)
    whose = f"the model of {kind} is that of the experiment {name}"
    file = f"{weights}.weights.h5"
    if not steps:
        return f"{whose}: {file} is not there, so it is trained now"
    return f"{whose}: {file} is there, of step {steps:,}; what is missing of it is done now"


def _rules(sets):
    """What `write_version` asks of a set's ids: the text that they are, positions and masks."""
    if not sets:
        return None, None, ()
    from pipelines.data.codecs import make_codec
    from pipelines.experiment import npy_set
    from savedmodels.export import text_codec

    codec = make_codec(npy_set.load(sets[0]).codec, sets[0])
    return text_codec(codec), codec.positions, codec.masks


if __name__ == "__main__":
    command_line.run(main)
