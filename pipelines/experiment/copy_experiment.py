"""Experiment a: how far back a copy can be learned to reach, and how fast."""

import dataclasses
import pathlib
import time

import keras
import numpy as np

import gin
import keras_perceiver_ar as kpar
from pipelines.checks import MOST_SEED, check_integer, check_integers, check_number
from pipelines.command_line import user_errors
from pipelines.errors import UserError
from pipelines.experiment import devices, fitting
from pipelines.experiment.experiment import TrainsAModel
from pipelines.experiment.mirrored_rows import SHORTEST, EvaluationRows, training_rows
from pipelines.experiment.row_sums import RowSums
from pipelines.experiment.table import Table


@gin.configurable(module="experiments")
@dataclasses.dataclass(frozen=True)
class CopyExperiment(TrainsAModel):
    """A curriculum of sequences, each stage several times as long as the one before.

    In its table a row has the stage's `stage` (positions), its `steps` and `seconds`, the
    `training_seconds` of all until then, and for sequences of so many `positions` `accuracy`,
    of so many `targets`, of which so many are `right`; and `wall_seconds`, how long ago the
    process began with all of this, measuring and compiling included.

    Args:
        stages: tuple of (half-length, rows, learning rate). A sequence is twice its half-length.
        seconds: float. Of training in all; the stage in which they are over is the last.
        goal: float. Share of right guesses, over the last two stretches of steps, that ends a
            stage.
        steps: int. The most steps of a stage.
        stretch: int. Steps between two looks.
        positions: tuple of int. Lengths of sequences to measure at the end, beside those of stages.
        targets: int. Mirrored ids, about, that each figure is measured on, at least a sequence.
        num_latents: int. N.
        num_layers: int. L.
        width: int. C.
        num_heads: int. H.
        dtype: str. Keras' name of a policy.
        seed: int.
    """

    stages: tuple
    seconds: float
    goal: float = 0.9998
    steps: int = 100_000
    stretch: int = 50
    positions: tuple = ()
    targets: int = 65536
    num_latents: int = 1024
    num_layers: int = 6
    width: int = 512
    num_heads: int = 8
    dtype: str = "mixed_bfloat16"
    seed: int = 0

    def __post_init__(self):
        try:
            halves = [half for half, _, _ in self.stages]
        except (TypeError, ValueError):
            halves = []
        if not halves or halves != sorted(set(halves)):
            raise UserError(
                "CopyExperiment.stages must be a tuple of (half-length, rows, learning rate), the "
                f"half-lengths rising, got {self.stages!r}"
            )
        for half, rows, rate in self.stages:
            check_integer("a half-length in CopyExperiment.stages", half, least=SHORTEST)
            check_integer("the rows in CopyExperiment.stages", rows)
            check_number("a learning rate in CopyExperiment.stages", rate, above=True)
        check_number("CopyExperiment.seconds", self.seconds, above=True)
        check_number("CopyExperiment.goal", self.goal, above=True)
        check_integer("CopyExperiment.seed", self.seed, least=0, most=MOST_SEED)
        for name in ("steps", "stretch", "targets"):
            check_integer(f"CopyExperiment.{name}", getattr(self, name))
        if self.positions != ():
            check_integers("CopyExperiment.positions", self.positions, least=2 * SHORTEST)
        for length in self.positions:
            check_integer("an entry of CopyExperiment.positions", length, most=2 * halves[-1])
            if length % 2:
                raise UserError(
                    "an entry of CopyExperiment.positions must be even, as a sequence is mirrored "
                    f"in its middle, got {length}"
                )

    def check(self):
        self._make_model(*self.stages[-1][::2])

    @property
    def sets(self):
        return {}

    def kept_weights(self, path):
        path = pathlib.Path(path)
        rows = Table.beside(path).rows
        last = rows[-1]["stage"] if rows else 2 * self.stages[0][0]
        return self._weights(path, last)

    def kept_rows(self, rows):
        return [row for row in rows if row["stage"] == rows[-1]["stage"]]

    def trained(self, path, say):
        path = pathlib.Path(path)
        return self._load_last(path, self.run(path, say))

    def run(self, path, say):
        began = time.monotonic()
        path = pathlib.Path(path)
        table = Table.beside(path)
        spent, before = 0.0, None
        for half, rows, rate in self.stages:
            weights = self._weights(path, 2 * half)
            stage = {"stage": 2 * half, "rows": rows, "learning_rate": rate}
            done = table.find(stage=2 * half)
            if done:
                spent, before = float(done[-1]["training_seconds"]), weights
                continue
            if spent >= self.seconds:
                break
            model = self._make_model(half, rate)
            if before is not None:
                _take_over(model, before)
            history = self._train(model, half, rows, weights, self.seconds - spent, say)
            spent += history[-1]["seconds"]
            stage |= {"steps": history[-1]["step"], "seconds": history[-1]["seconds"]}
            stage["training_seconds"] = spent
            figures = self._measure(model, half, rows, say)
            table.add([{**stage, **figures, "wall_seconds": time.monotonic() - began}])
            before = weights
        self._measure_others(path, table, say)
        return table

    def _make_model(self, half, rate):
        keras.utils.set_random_seed(self.seed)
        with user_errors(ValueError):
            backbone = kpar.models.PerceiverARBackbone(
                kpar.codecs.event_ids.NUM_RESERVED + 256,
                max_context=2 * self.stages[-1][0],
                num_latents=min(self.num_latents, 2 * half),
                num_layers=self.num_layers,
                width=self.width,
                num_heads=self.num_heads,
                positions="absolute",
                seed=self.seed,
                dtype=self.dtype,
            )
        model = kpar.models.PerceiverARCausalLM(backbone)
        model.compile(
            keras.optimizers.Adam(rate, global_clipnorm=1.0),
            loss=kpar.training.PerceiverARLoss(z_loss=0.0),
            metrics=[kpar.training.TokenAccuracy()],
        )
        return model

    def _weights(self, path, stage):
        return path.with_name(f"{path.name}_{stage}")

    def _train(self, model, half, rows, weights, seconds, say):
        longest = self.stages[-1][0]

        def make_batch(step):
            rng = np.random.default_rng([self.seed, half, step])
            return training_rows(rng, rows, half, longest, self.num_latents)

        def is_learned(history):
            last = [figures["accuracy"] for figures in history[-2:]]
            return len(last) == 2 and sum(last) / 2 >= self.goal

        def tell(figures):
            say(
                f"{2 * half} positions | step {figures['step']} | loss {figures['loss']:.4f} | "
                f"accuracy {figures['accuracy']:.4%} | {figures['seconds']:.0f} s"
            )

        return fitting.fit(
            model,
            make_batch,
            self.steps,
            weights,
            stretch=self.stretch,
            seconds=seconds,
            until=is_learned,
            say=tell,
        )

    def _measure(self, model, half, rows, say):
        began = time.monotonic()
        batches = EvaluationRows(
            half,
            self.stages[-1][0],
            sequences=max(1, self.targets // (half - 1)),
            batch_size=rows,
            num_latents=min(self.num_latents, 2 * half),
            seed=self.seed + 1,
        )
        _, right, targets = RowSums(model, batches.num_latents).over(batches).sum(axis=0)
        figures = {
            "positions": 2 * half,
            "accuracy": right / targets,
            "right": int(right),
            "targets": int(targets),
            "measuring_seconds": time.monotonic() - began,
            "params": model.count_params(),
            "device": devices.name(),
        }
        say(f"{2 * half} positions: {right / targets:.4%} of {int(targets):,} mirrored ids")
        return figures

    def _measure_others(self, path, table, say):
        """The lengths that no stage had, by the model of the last stage."""
        last = table.rows[-1]["stage"]
        of_stage = ("stage", "rows", "learning_rate", "steps", "seconds", "training_seconds")
        stage = {name: table.find(stage=last)[0][name] for name in of_stage}
        missing = [n for n in self.positions if not table.has(stage=last, positions=n)]
        if not missing:
            return
        model, _ = self._load_last(path, table)
        for positions in missing:
            # As many inputs at once as in the last stage.
            rows_of_it = max(1, int(stage["rows"]) * int(last) // positions)
            table.add([{**stage, **self._measure(model, positions // 2, rows_of_it, say)}])

    def _load_last(self, path, table):
        """The model of the last stage in the table, and the figures of its training."""
        last = table.rows[-1]["stage"]
        half, _, rate = next(stage for stage in self.stages if str(2 * stage[0]) == last)
        model = self._make_model(half, rate)
        return model, _take_over(model, self._weights(path, last))


def _take_over(model, path):
    """The weights of the stage before, and its optimizer's, but for the learning rate.

    Returns:
        list of dict, the figures of that stage.
    """
    rate = float(model.optimizer.learning_rate)
    history = fitting.restore(model, path)
    model.optimizer.learning_rate = rate
    return history
