"""The card of a model that an experiment trained: what it is, of what, how good, and its limits."""

import dataclasses
import datetime
import importlib
import pathlib

import keras
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines.command_line import user_errors
from pipelines.experiment import pictures
from pipelines.experiment.table import write_whole
from savedmodels import card_data, card_figures, card_usage, shell_text

FILE, CURVE = "README.md", "curve.svg"
CODE_LICENCE = "Apache-2.0"  # as setup.py has it
_TITLES = {
    "copy": "Copies of random sequences",
    "books": "Books",
    "images": "Images",
    "piano": "Piano performances",
}
# What holds for any model like these.
_ALWAYS = (
    "What it makes takes after its data, with their errors and their biases. It may be wrong, may "
    "offend, and may repeat what it was trained on, to which others may have rights.",
    "It is not for production, nor for anything where it matters what it says.",
)


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known of a model that was exported.

    Args:
        kind: str. "copy", "books", "images" or "piano".
        experiment: `TrainsAModel` that trained it.
        name: str. Of the experiment.
        size: str. Of its settings.
        model: `PerceiverARCausalLM`.
        weights: str. Name of the file that they were in, without its suffix.
        history: list of dict, as from `fitting.fit`.
        rows: list of dict of str, of the experiment's table.
        version: str. Path of what was exported.
        signatures: tuple of str.
        command: list of str, the words that make all of this anew.
        data_name: str or None. What the data are, as whoever exports the model says.
        data_licence: str or None. Theirs, likewise.
    """

    kind: str
    experiment: object
    name: str
    size: str
    model: object
    weights: str
    history: list
    rows: list
    version: str
    signatures: tuple
    command: list
    data_name: str | None = None
    data_licence: str | None = None

    def write(self):
        """Writes the card and the curve of the training beside the versions of the model.

        Raises:
            UserError: they cannot be written.
        """
        folder, text = pathlib.Path(self.version).parent, self.text()
        with user_errors(OSError):
            pictures.save(draw(self.history, _TITLES[self.kind]), folder / CURVE)
            write_whole(folder / FILE, lambda path: path.write_text(text, encoding="utf-8"))

    def text(self):
        """The card in Markdown."""
        path = pathlib.Path(self.version)
        sets = list(self.experiment.sets.values())
        data = sets[0] if sets else None
        context = self.model.backbone.max_context
        report = importlib.import_module(f"pipelines.experiment.reports.{self.name}")
        figures, limits = self._judge(data)
        lines = "\n".join(f"| {name} | {value} |" for name, value in self._facts(path))
        listed = "\n".join(f"- {sentence}" for sentence in (*limits, *_ALWAYS))
        stage = ", of the last stage alone" * (data is None)
        return f"""# {_TITLES[self.kind]}: a Perceiver AR

A model of the experiment `{self.name}` (`--size={self.size}`), to try the package out with: to
serve, to draw from, to measure against.

| | |
|---|---|
{lines}

## Ask it

From the root of the repository:

{card_usage.tell(path, context, data)}

## Data and licence

{card_data.tell(sets, self.data_name, self.data_licence)}

The code, `keras-perceiver-ar`, is under {CODE_LICENCE}. That is no licence of these weights: none
is given with them here. Whoever passes them on gives one, within the terms of the data.

## Training

![loss by step]({CURVE})

Each point is the mean of the steps since the point before{stage}.

## What was measured

{figures}

### The experiment as a whole

{report.tell(self.rows)}

## Limits

{listed}

## To make it anew

From the root of the repository, with another `--experiment`: what lies there is not trained again.

```bash
{shell_text.command(self.command)}
```
"""

    def _facts(self, path):
        """Pairs of what is in the table at the top."""
        backbone = self.model.backbone
        today = datetime.datetime.now(datetime.UTC).date()
        return (
            (
                "version",
                f"{path.name} of `{path.parent}`, exported on {today}; this card is of no other",
            ),
            (
                "made with",
                f"keras-perceiver-ar {kpar.__version__}, Keras {keras.__version__}, TensorFlow "
                f"{tf.__version__}",
            ),
            ("weights", f"`{self.weights}.weights.h5` of `--experiment`"),
            ("parameters", f"{self.model.count_params():,}"),
            ("context, latents", f"{backbone.max_context:,}, {backbone.num_latents:,}"),
            (
                "blocks, width, heads",
                f"{backbone.num_layers}, {backbone.width}, {backbone.num_heads}",
            ),
            ("vocabulary", f"{backbone.vocab_size}: 0 pads, 1 ends, 2 starts, data from 3"),
            ("training", self._training()),
            ("signatures", ", ".join(f"`{each}`" for each in self.signatures)),
        )

    def _training(self):
        device = next((row["device"] for row in self.rows if row.get("device")), "")
        last, on = self.history[-1], f" on {device}" if device else ""
        if self.kind != "copy":
            return f"{last['step']:,} steps in {last['seconds']:.0f} s{on}"
        stages = [row for row in self.rows if row["stage"] == row["positions"]]
        steps = sum(int(row["steps"]) for row in stages)
        seconds = float(stages[-1]["training_seconds"])
        return (
            f"{steps:,} steps in {seconds:.0f} s{on}, of which the last of {len(stages)} stages "
            f"had {last['step']:,}"
        )

    def _judge(self, data):
        """What was measured of the model itself, and what that says of its limits."""
        rows = self.experiment.kept_rows(self.rows)
        context, latents = self.model.backbone.max_context, self.model.backbone.num_latents
        if data is None:
            limits = card_figures.copy_limits(rows, context)
            return card_figures.copy_table(rows), limits
        training = {
            "steps": self.history[-1]["step"],
            "rows": self.experiment.models.batch_size,
            "context": context,
            "latents": latents,
        }
        found = card_figures.costs(rows, data)
        return card_figures.table(found, data), card_figures.limits(found, data, training)


def draw(history, title):
    """The curve of a training: a figure of matplotlib.

    Args:
        history: list of dict, as from `fitting.fit`.
        title: str.
    """
    figure = pictures.figure(6, 4)
    panel = figure.subplots()
    # A point alone makes no line.
    steps, losses = [each["step"] for each in history], [each["loss"] for each in history]
    panel.plot(steps, losses, "o-", markersize=4)
    panel.set(xlabel="step", ylabel="training loss (nats for a target)", title=f"{title}: training")
    panel.grid(alpha=0.3)
    return figure
