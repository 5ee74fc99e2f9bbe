"""Experiment c: beside a Transformer and a Transformer-XL of as many parameters."""

import dataclasses
import pathlib
import statistics

import gin
from pipelines.checks import MOST_SEED, check_integer, check_integers, check_number
from pipelines.errors import UserError
from pipelines.experiment import baselines, devices
from pipelines.experiment.experiment import Experiment
from pipelines.experiment.npy_rows import NpyRows
from pipelines.experiment.table import Table

KINDS = ("perceiver_ar", "transformer", "transformer_xl")


@gin.configurable(module="experiments")
@dataclasses.dataclass(frozen=True)
class BaselinesExperiment(Experiment):
    """Three models of the same width and of as many blocks, the cross-attend counted as one.

    Each is trained twice: on as many targets, which also shows how long its step takes, and then
    for the same time.

    In its table is a row for each `model`, `equal` ("time" or "targets"), `seed` and document.

    Args:
        models: `Language`; its backbone has the sizes of all three.
        context: int. M of Perceiver AR.
        num_latents: int. N.
        segment: int. Inputs of the Transformer, and the segment of the Transformer-XL.
        memory: int. E, of the Transformer-XL.
        segments: int. Segments of a row of the Transformer-XL.
        seconds: float. Of training, compilation left out, at equal time.
        targets: int. Of training, at equal targets.
        seeds: tuple of int.
    """

    models: object
    context: int
    num_latents: int
    segment: int
    memory: int
    segments: int
    seconds: float
    targets: int
    seeds: tuple = (0,)

    def __post_init__(self):
        for name in ("context", "num_latents", "segment", "memory", "segments", "targets"):
            check_integer(f"BaselinesExperiment.{name}", getattr(self, name))
        if self.segment < 2:
            raise UserError(
                "BaselinesExperiment.segment must be ≥ 2, as the Transformer is measured with half "
                f"of it before its targets, got {self.segment}"
            )
        check_number("BaselinesExperiment.seconds", self.seconds, above=True)
        check_integers("BaselinesExperiment.seeds", self.seeds, least=0, most=MOST_SEED)
        if self.num_latents > self.context:
            raise UserError(
                f"BaselinesExperiment.num_latents is {self.num_latents} and the context "
                f"{self.context}: each latent sits on an input of its own"
            )

    @property
    def sets(self):
        return {"data": self.models.data}

    def check(self):
        for kind in KINDS:
            self._make(kind, self.seeds[0])

    def run(self, path, say):
        path = pathlib.Path(path)
        table = Table.beside(path)
        for equal in ("targets", "time"):
            for seed in self.seeds:
                for kind in KINDS:
                    if not table.has(model=kind, equal=equal, seed=seed):
                        self._run_one(kind, equal, seed, path, table, say)
        return table

    def _run_one(self, kind, equal, seed, path, table, say):
        inputs, targets_of_row, stride = {
            "perceiver_ar": (self.context, self.num_latents, self.num_latents),
            "transformer": (self.segment, self.segment, self.segment // 2),
            "transformer_xl": (self.segment * self.segments,) * 2 + (self.segment,),
        }[kind]
        # As many targets in a batch, as near as rows go.
        rows = max(1, round(self.models.batch_size * self.num_latents / targets_of_row))
        models = dataclasses.replace(self.models, batch_size=rows)
        if equal == "time":
            # One seed for all, so that all have as many steps; what an earlier version began, too.
            known = table.find(model=kind, equal="targets", seed=self.seeds[0])[0]
            step_seconds = float(known["compiled_seconds"]) / int(known["steps"])
            done = table.find(model=kind, equal="time")
            steps = int(done[0]["steps"]) if done else max(1, round(self.seconds / step_seconds))
        else:
            steps = max(1, self.targets // (rows * targets_of_row))
            # At least three, as the first compiles and tells nothing of a step's time.
            stretch = min(models.stretch, max(1, steps // 3))
            models = dataclasses.replace(models, stretch=stretch)
        model = self._make(kind, seed)
        name = path.with_name(f"{path.name}_{kind}_{equal}_{seed}")
        history = models.train(model, inputs, steps, seed, name, say)
        run = {
            "model": kind,
            "equal": equal,
            "seed": seed,
            "inputs": inputs,
            "rows": rows,
            "steps": history[-1]["step"],
            "training_targets": history[-1]["step"] * rows * targets_of_row,
            "seconds": history[-1]["seconds"],
            "compiled_seconds": seconds_of_step(history) * history[-1]["step"],
            "params": model.count_params(),
            "device": devices.name(),
        }
        measured = models.measure(model, inputs, stride)
        table.add([{**run, **figures} for figures in measured])
        say(f"measured {name.name}")

    def _make(self, kind, seed):
        model = self.models.make_model(self.context, self.num_latents, seed)
        if kind == "perceiver_ar":
            return model
        backbone = model.backbone
        return baselines.make(
            kind,
            NpyRows(self.models.data).vocab_size,
            self.segment,
            self.memory,
            num_layers=backbone.num_layers + 1,
            width=backbone.width,
            num_heads=backbone.num_heads,
            dropout=backbone.dropout_rates.outputs,
            dtype=backbone.dtype_policy,
            seed=seed,
        )


def seconds_of_step(history):
    """Seconds of a step without compilation, of which a low median knows nothing.

    The first stretch compiles, and after a kill another one does.

    Args:
        history: list of dict, as from `fitting.fit`. Of one stretch, that is what there is.
    """
    before, found = history[0], []
    for after in history[1:]:
        found.append((after["seconds"] - before["seconds"]) / (after["step"] - before["step"]))
        before = after
    return statistics.median_low(found or [before["seconds"] / before["step"]])
