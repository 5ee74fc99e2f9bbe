"""What a card says of data: what they are as far as it is known, whose, and how to prepare them."""

import os

from pipelines.data.codecs import ORDER_FILE
from pipelines.experiment import npy_set
from pipelines.experiment.reports import plots
from savedmodels import shell_text

# The sets that `pipelines.prepare` is named after: what they are, where from, and their licences.
_KNOWN = {
    "pg19": (
        "PG-19 (https://github.com/google-deepmind/pg19)",
        "the books are in the public domain in the USA; elsewhere it may be otherwise.",
    ),
    "imagenet64": (
        "ImageNet's (https://image-net.org)",
        "they are for non-commercial research and education only, and so is a model of them.",
    ),
    "maestro": (
        "MAESTRO (https://magenta.tensorflow.org/datasets/maestro)",
        "CC BY-NC-SA 4.0: attribution, no commercial use, and what is made of it under the same "
        "terms. Cite Hawthorne et al., ICLR 2019.",
    ),
}
_UNKNOWN_HERE = {
    "text": "--input and --seed",
    "image": "--input and --seed",
    "performance": "--input, --seed, and --transpose and --stretch where they were given",
}


def tell(sets, name=None, licence=None):
    """Paragraphs of Markdown.

    Args:
        sets: list of str. Folders that an experiment reads, that of the model first.
        name: str or None. What the data are, as whoever exports the model says.
        licence: str or None. Theirs, as whoever exports the model says.
    """
    if not sets:
        return (
            "Random ids, drawn evenly and as they were needed (`pipelines.experiment copy`): "
            "nobody's, so that no licence is needed."
        )
    made = npy_set.load(sets[0])
    return "\n\n".join([_whose(made.dataset, name, licence), _splits(made), _prepared(sets)])


def _whose(dataset, name, licence):
    """The flag of `pipelines.prepare` says how files were read, and nothing of what they are."""
    if name and licence:
        return f"**{name}**. Licence: {licence} (Both as whoever exported this model says.)"
    parts = []
    if name:
        parts.append(f"**{name}**, as whoever exported this model says.")
    else:
        parts.append(
            f"The files were prepared as `--dataset={dataset}`. That says how they are laid out; "
            "**what they are is not known**: it was not given (`--data_name`)."
        )
    if licence:
        return f"{parts[0]} Licence, as they say: {licence}"
    parts.append("**Their licence is not known**: it was not given (`--data_licence`).")
    if dataset in _KNOWN:
        known, terms = _KNOWN[dataset]
        parts.append(f"If they are {known}: {terms} If they are your own, your terms hold.")
    return " ".join(parts)


def _splits(made):
    lines = [
        [
            split,
            f"{of['documents']:,}",
            f"{of['tokens']:,}",
            f"{len(made.skipped.get(split, ())):,}",
        ]
        for split, of in made.splits.items()
    ]
    return plots.table(["split", "documents", "tokens", "files left out"], lines)


def _prepared(sets):
    kinds = {"bytes": "text", "sentencepiece": "text"}
    codec = npy_set.load(sets[0]).codec["name"]
    unknown = _UNKNOWN_HERE[kinds.get(codec, codec)]
    commands = "\n".join(shell_text.command(_prepare_words(folder)) for folder in sets)
    return (
        f"They were prepared so, as far as `{npy_set.FILE}` tells ({unknown} it does not):\n\n"
        f"```bash\n{commands}\n```"
    )


def _prepare_words(folder):
    """The command that prepares a set: list of str."""
    made = npy_set.load(folder)
    codec = made.codec
    words = ["python", "-m", "pipelines.prepare", f"--dataset={made.dataset}", "--input=DIR"]
    words += [f"--output={folder}", "--format=npy"]
    if codec["name"] == "sentencepiece":
        words.append(f"--tokenizer={os.path.join(folder, codec['file'])}")
    if codec["name"] == "image":
        own = codec["order"] == ORDER_FILE
        order = os.path.join(folder, ORDER_FILE) if own else codec["order"]
        words += [f"--image_size={codec['size']}", f"--order={order}"]
    return words
