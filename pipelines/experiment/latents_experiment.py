"""Experiment d: latents chosen at evaluation time."""

import dataclasses
import pathlib

import gin
from pipelines import flops
from pipelines.checks import MOST_SEED, check_integer, check_integers
from pipelines.experiment import devices
from pipelines.experiment.experiment import TrainsAModel
from pipelines.experiment.table import Table


@gin.configurable(module="experiments")
@dataclasses.dataclass(frozen=True)
class LatentsExperiment(TrainsAModel):
    """One model, trained with N latents and measured with fewer and with more.

    In its table is a row for each number of `latents` and document: what `Language.measure`
    says, and the `flops_per_target` of the forward pass.

    Args:
        models: `Language`.
        context: int. M.
        num_latents: int. N in training.
        evaluated: tuple of int. N at evaluation; as many targets are scored in a row.
        steps: int.
        seed: int.
    """

    models: object
    context: int
    num_latents: int
    evaluated: tuple
    steps: int
    seed: int = 0

    def __post_init__(self):
        check_integer("LatentsExperiment.context", self.context)
        check_integer("LatentsExperiment.num_latents", self.num_latents, most=self.context)
        check_integer("LatentsExperiment.steps", self.steps)
        check_integer("LatentsExperiment.seed", self.seed, least=0, most=MOST_SEED)
        check_integers("LatentsExperiment.evaluated", self.evaluated, least=1)
        for number in self.evaluated:
            check_integer("an entry of LatentsExperiment.evaluated", number, most=self.context)

    def check(self):
        self.models.make_model(self.context, self.num_latents, self.seed)

    @property
    def sets(self):
        return {"data": self.models.data}

    def kept_weights(self, path):
        return pathlib.Path(path)

    def kept_rows(self, rows):
        return [row for row in rows if row["latents"] == str(self.num_latents)]

    def trained(self, path, say):
        path = pathlib.Path(path)
        model = self.models.make_model(self.context, self.num_latents, self.seed)
        return model, self.models.train(model, self.context, self.steps, self.seed, path, say)

    def run(self, path, say):
        path = pathlib.Path(path)
        table = Table.beside(path)
        missing = [number for number in self.evaluated if not table.has(latents=number)]
        if not missing:
            return table
        model, history = self.trained(path, say)
        rows = self.models.batch_size
        for number in missing:
            run = {
                "latents": number,
                "trained_latents": self.num_latents,
                "context": self.context,
                "steps": history[-1]["step"],
                "seconds": history[-1]["seconds"],
                "flops_per_target": flops.row_flops(model, number) / number,
                "params": model.count_params(),
                "device": devices.name(),
            }
            # As many latents at once as in training, but for less than a row.
            at_once = max(1, rows * self.num_latents // max(number, self.num_latents))
            measured = self.models.measure(model, self.context, number, number, at_once)
            table.add([{**run, **figures} for figures in measured])
            say(f"measured with {number} latents")
        return table
