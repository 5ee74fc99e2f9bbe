"""The card of a model that an experiment trained: what it is, of what, how good, and its limits."""

import importlib

from pipelines.command_line import user_errors
from pipelines.experiment import npy_set, pictures
from pipelines.experiment.table import write_whole

FILE, CURVE = "README.md", "curve.svg"
_TITLES = {
    "copy": "Copies of random sequences",
    "books": "Bytes of books",
    "images": "Small images",
    "piano": "Piano performances",
}
# What is known of the data that `pipelines.prepare` reads, by the name of the dataset.
_LICENCES = {
    None: "Random numbers, drawn as they were needed: nobody's.",
    "pg19": "PG-19 is of books in the public domain in the USA; elsewhere it may be otherwise.",
    "imagenet64": "Those of the images. ImageNet's are for non-commercial research and education "
    "only, and so is a model of them.",
    "maestro": "MAESTRO is under CC BY-NC-SA 4.0: attribution, no commercial use, and what is made "
    "of it under the same terms. Cite Hawthorne et al., ICLR 2019.",
}
_LIMITS = {
    "copy": "It knows how to mirror sequences of this length, drawn evenly from 256 values, and "
    "nothing else.",
    "books": "It is as small and as briefly trained as it had to be for two cores: it spells words "
    "and makes no sense. What it writes may be offensive, as its books may be. It was "
    "trained on a few books in English.",
    "images": "It is as small and as briefly trained as it had to be for two cores: colours and "
    "smooth regions, no objects.",
    "piano": "It is as small and as briefly trained as it had to be for two cores: plausible "
    "chords and dynamics for seconds, no form. It knows performances of western classical piano "
    "music alone.",
}


def write(folder, kind, name, model, history, rows, data, signatures, command):
    """Writes the card and the curve of its training beside the versions of a model.

    Args:
        folder: path, the directory of the versions.
        kind: str. "copy", "books", "images" or "piano".
        name: str, of the experiment.
        model: `PerceiverARCausalLM`.
        history: list of dict, as from `fitting.fit`.
        rows: list of dict of str, of the experiment's table.
        data: str or None. Folder of the set that it was trained on.
        signatures: list of str.
        command: str, that makes all of this anew.

    Raises:
        UserError: they cannot be written.
    """
    text = _text(kind, name, model, history, rows, data, signatures, command)
    with user_errors(OSError):
        _draw(folder / CURVE, kind, history)
        write_whole(folder / FILE, lambda path: path.write_text(text, encoding="utf-8"))


def _text(kind, name, model, history, rows, data, signatures, command):
    report = importlib.import_module(f"pipelines.experiment.reports.{name}")
    backbone, made = model.backbone, npy_set.load(data) if data else None
    dataset = made.dataset if made else None
    of_data = "Random sequences and their mirror images (`pipelines.experiment copy`)."
    if made:
        splits = "; ".join(
            f"{split}: {size['documents']:,} documents, {size['tokens']:,} tokens"
            for split, size in made.splits.items()
        )
        of_data = f"`{dataset}`, prepared by `pipelines.prepare --format=npy`. {splits}."
    licence = _LICENCES.get(dataset, "That of the files that were prepared.")
    last = history[-1]
    return f"""# {_TITLES[kind]}: a small Perceiver AR

A model for trying the package out: to serve, to draw from, to measure against. It is no good at
more than that, and not meant for anything where it matters what it says.

| | |
|---|---|
| parameters | {model.count_params():,} |
| context, latents | {backbone.max_context:,}, {backbone.num_latents:,} |
| blocks, width, heads | {backbone.num_layers}, {backbone.width}, {backbone.num_heads} |
| vocabulary | {backbone.vocab_size}: 0 pads, 1 ends, 2 starts, data from 3 |
| training | {last["step"]:,} steps in {last["seconds"]:.0f} s |
| signatures | {", ".join(f"`{each}`" for each in signatures)} |

## Data and licence

{of_data}

{licence}

## Training

![loss by step]({CURVE})

## What was measured

{report.tell(rows)}

## Limits

{_LIMITS[kind]}

## To make it anew

```
{command}
```
"""


def _draw(path, kind, history):
    figure = pictures.figure(6, 4)
    panel = figure.subplots()
    panel.plot([each["step"] for each in history], [each["loss"] for each in history])
    panel.set(
        xlabel="step",
        ylabel="training loss (nats for a target, mean of the steps since the point before)",
        title=f"{_TITLES[kind]}: training",
    )
    panel.grid(alpha=0.3)
    pictures.save(figure, path)
