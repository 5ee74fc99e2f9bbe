"""Experiment f: piano performances: their likelihood, and drawn ones beside played ones."""

import dataclasses
import pathlib

import numpy as np

import gin
from keras_perceiver_ar.generation import SoundingNotesMask
from pipelines.checks import MOST_SEED, check_integer, check_integers
from pipelines.errors import UserError
from pipelines.experiment import devices, performance_statistics, sampling
from pipelines.experiment.experiment import TrainsAModel
from pipelines.experiment.npy_rows import NpyRows
from pipelines.experiment.table import Table

LIKELIHOOD, STATISTICS = "likelihood", "statistics"  # what a row of the table is of
# Whose statistics they are.
TRAINING, VALIDATION, CONTINUED, UNPROMPTED = "training", "validation", "continued", "unprompted"
SOURCES = (TRAINING, VALIDATION, CONTINUED, UNPROMPTED)


@gin.configurable(module="experiments")
@dataclasses.dataclass(frozen=True)
class PianoExperiment(TrainsAModel):
    """A model of performances, what it draws, and how that compares with what was played.

    The first events of validation performances are primers, which it continues; as often it begins
    from nothing. Statistics are of the events behind a primer's place, of samples and of played
    performances alike.

    The column `part` of its table says what a row is of: "likelihood", of a `seed` and
    document, what `Language.measure` says; or "statistics", of a performance of a `source`
    ("training", "validation", "continued", "unprompted"), what `performance_statistics.summary`
    says and the `pitch_class_distance` from all of training. Rows of one `group` are of one
    primer.

    Args:
        models: `Language`.
        context: int. M.
        num_latents: int. N.
        steps: int.
        seeds: tuple of int. Of weights, rows and dropout; the first draws.
        primers: int. The first so many validation performances are continued.
        primer_events: int. Events of a primer, behind SOS.
        new_events: int. Events that are drawn, fewer where a performance ends by itself.
        samples: int. Continuations of each primer.
        temperature: float. Of the samples.
        top_p: float. Of the samples.
    """

    models: object
    context: int
    num_latents: int
    steps: int
    seeds: tuple = (0,)
    primers: int = 4
    primer_events: int = 256
    new_events: int = 512
    samples: int = 2
    temperature: float = 1.0
    top_p: float = 0.95

    def __post_init__(self):
        for name in ("context", "steps", "primers", "primer_events", "new_events", "samples"):
            check_integer(f"PianoExperiment.{name}", getattr(self, name))
        check_integer("PianoExperiment.num_latents", self.num_latents, most=self.context)
        check_integers("PianoExperiment.seeds", self.seeds, least=0, most=MOST_SEED)
        sampling.make_sampler(self.temperature, self.top_p)
        if self.primer_events + self.new_events > self.context:
            raise UserError(
                f"PianoExperiment.primer_events and new_events are {self.primer_events} and "
                f"{self.new_events}, together more than the context {self.context}: choose fewer"
            )
        rows = NpyRows(self.models.data)
        if rows.codec["name"] != "performance":
            raise UserError(
                f"the set in {self.models.data!r} holds no performances: prepare it with "
                "--dataset=maestro --format=npy"
            )
        events = rows.num_events("validation")[: self.primers]
        check_integer("PianoExperiment.primers", self.primers, most=events.size)
        if events.min() < self.primer_events + 2:  # SOS, and something behind the primer
            raise UserError(
                f"PianoExperiment.primer_events is {self.primer_events}, and a validation "
                f"performance has {events.min() - 1}: choose fewer"
            )

    def check(self):
        self.models.make_model(self.context, self.num_latents, self.seeds[0])

    @property
    def sets(self):
        return {"data": self.models.data}

    def kept_weights(self, path):
        return self._weights(self.seeds[0], pathlib.Path(path))

    def kept_rows(self, rows):
        kept = LIKELIHOOD, str(self.seeds[0])
        return [row for row in rows if (row["part"], row.get("seed")) == kept]

    def trained(self, path, say):
        path = pathlib.Path(path)
        return self._trained(self.seeds[0], path, say)

    def run(self, path, say):
        path = pathlib.Path(path)
        table = Table.beside(path)
        for seed in self.seeds:
            if table.has(part=LIKELIHOOD, seed=seed):
                continue
            model, history = self._trained(seed, path, say)
            run = {
                "part": LIKELIHOOD,
                "seed": seed,
                "latents": self.num_latents,
                "context": self.context,
                "steps": history[-1]["step"],
                "seconds_of_training": history[-1]["seconds"],
                "params": model.count_params(),
                "device": devices.name(),
            }
            measured = self.models.measure(model, self.context, self.num_latents)
            table.add([{**run, **figures} for figures in measured])
            say(f"measured {path.name}_{seed}")
        for source in SOURCES:
            if not table.has(part=STATISTICS, source=source):
                table.add(self._statistics(source, path, say))
        return table

    def show(self, path, say):
        """Writes notes, sound and pictures of each sample, and a picture of the statistics.

        Args:
            path: path, that of `run`, after that.
            say: function of a line.
        """
        from pipelines.experiment import performance_files
        from pipelines.experiment.reports import piano

        path = pathlib.Path(path)
        file = path.with_name(path.name + "_statistics.png")
        piano.draw(Table.beside(path).rows, file)
        say(f"wrote {file}")
        with_mel = performance_files.can_draw_sound(say)
        for source in (CONTINUED, UNPROMPTED):
            given = self._given(source)
            for number, row in enumerate(self._samples(source, path, say)):
                base = path.with_name(f"{path.name}_{source}_{number}")
                title = self._title(source, number, path)
                performance_files.write(row, given, base, say, title, with_mel=with_mel)

    def _title(self, source, number, path):
        """What a sample is, and of which model."""
        from pipelines.experiment.reports import about

        of_model = Table.beside(path).find(part=LIKELIHOOD, seed=self.seeds[0])
        what = f"Performance {number}, drawn from nothing"
        if source == CONTINUED:
            what = (
                f"Validation performance {number // self.samples} continued behind its first "
                f"{self.primer_events:,} events, sample {number % self.samples}"
            )
        return (
            f"{what}, by Perceiver AR: {about.parameters(of_model)}, "
            f"{about.number(of_model, 'steps', 'step')}, context {self.context:,} events, "
            f"{self.num_latents:,} latents, temperature {self.temperature:g}, top-p {self.top_p:g}"
        )

    def _weights(self, seed, path):
        return path.with_name(f"{path.name}_{seed}")

    def _trained(self, seed, path, say):
        """A model with its weights, and its history; trained where it is not yet."""
        model = self.models.make_model(self.context, self.num_latents, seed)
        weights = self._weights(seed, path)
        return model, self.models.train(model, self.context, self.steps, seed, weights, say)

    def _given(self, source):
        """Events of a row that were not drawn: SOS, and the primer if there is one."""
        return 1 if source == UNPROMPTED else 1 + self.primer_events

    def _samples(self, source, path, say):
        """int32 (primers · samples, given + new_events): rows of samples, 0 behind their ends."""

        def draw():
            model, _ = self._trained(self.seeds[0], path, say)
            rows, given = NpyRows(self.models.data), self._given(source)
            prompts = [rows.events("validation", place)[:given] for place in range(self.primers)]
            prompts = np.repeat(np.stack(prompts), self.samples, axis=0)
            say(f"drawing {len(prompts)} performances, {source}")
            sampler = sampling.make_sampler(self.temperature, self.top_p)
            return sampling.draw(model, prompts, self.new_events, sampler, (SoundingNotesMask(),))

        return sampling.kept(path.with_name(f"{path.name}_{source}_samples.npy"), draw)

    def _statistics(self, source, path, say):
        """Rows of the table: list of dict."""
        excerpts = self._excerpts(source, path, say)
        own = np.stack([performance_statistics.pitch_class_counts(notes) for notes in excerpts])
        if source == TRAINING:
            reference = own.sum(axis=0) - own  # one's own part would make it near
        else:
            training = self._excerpts(TRAINING, path, say)
            counts = [performance_statistics.pitch_class_counts(notes) for notes in training]
            reference = np.broadcast_to(np.sum(counts, axis=0), own.shape)
        return [
            {
                "part": STATISTICS,
                "source": source,
                "number": number,
                "group": number // self.samples if source == CONTINUED else number,
                **performance_statistics.summary(notes),
                "pitch_class_distance": performance_statistics.histogram_distance(
                    own[number], reference[number]
                ),
            }
            for number, notes in enumerate(excerpts)
        ]

    def _excerpts(self, source, path, say):
        """Notes of each performance of a source: list of records (N,)."""
        given = self._given(source)
        if source in (TRAINING, VALIDATION):
            rows, split = NpyRows(self.models.data), {TRAINING: "train"}.get(source, source)
            events = [
                rows.events(split, number)[: given + self.new_events]
                for number in range(rows.num_events(split).size)
            ]
        else:
            events = self._samples(source, path, say)
        return [performance_statistics.continuation(row, given) for row in events]
