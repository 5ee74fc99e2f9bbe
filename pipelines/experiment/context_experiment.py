"""Experiment b: more context at equal compute."""

import dataclasses
import pathlib

import gin
from pipelines import flops
from pipelines.checks import MOST_SEED, check_integer, check_integers
from pipelines.data import row_checks
from pipelines.errors import UserError
from pipelines.experiment import devices
from pipelines.experiment.experiment import Experiment
from pipelines.experiment.table import Table


@gin.configurable(module="experiments")
@dataclasses.dataclass(frozen=True)
class ContextExperiment(Experiment):
    """The same latents and blocks over longer and longer contexts, each at as many FLOPs.

    A longer context costs more in the cross-attend; it gets as many steps fewer.

    In its table is a row for each `context`, `seed` and document: what `Language.measure` says,
    and the model's `steps`, training `flops` and `seconds`.

    Args:
        models: `Language`.
        contexts: tuple of int, rising. M of each.
        num_latents: int. N of all.
        steps: int. Of the shortest context.
        seeds: tuple of int. Of weights, rows and dropout.
    """

    models: object
    contexts: tuple
    num_latents: int
    steps: int
    seeds: tuple = (0, 1, 2)

    def __post_init__(self):
        check_integer("ContextExperiment.num_latents", self.num_latents)
        check_integer("ContextExperiment.steps", self.steps)
        check_integers(
            "ContextExperiment.contexts", self.contexts, self.num_latents, row_checks.MOST
        )
        if list(self.contexts) != sorted(self.contexts):
            raise UserError(f"ContextExperiment.contexts must rise, got {self.contexts!r}")
        check_integers("ContextExperiment.seeds", self.seeds, least=0, most=MOST_SEED)

    @property
    def sets(self):
        return {"data": self.models.data}

    def check(self):
        self.models.make_model(self.contexts[-1], self.num_latents, self.seeds[0])

    def run(self, path, say):
        path = pathlib.Path(path)
        table = Table.beside(path)
        of_step = {}
        for context in self.contexts:
            for seed in self.seeds:
                model = self.models.make_model(context, self.num_latents, seed)
                rows = self.models.batch_size
                of_step[context] = flops.train_step_flops(model, rows)
                if table.has(context=context, seed=seed):
                    continue
                steps = max(1, round(self.steps * of_step[self.contexts[0]] / of_step[context]))
                weights = path.with_name(f"{path.name}_{context}_{seed}")
                history = self.models.train(model, context, steps, seed, weights, say)
                measured = self.models.measure(model, context, self.num_latents)
                run = {
                    "context": context,
                    "seed": seed,
                    "latents": self.num_latents,
                    "rows": rows,
                    "steps": history[-1]["step"],
                    "flops": of_step[context] * history[-1]["step"],
                    "seconds": history[-1]["seconds"],
                    "params": model.count_params(),
                    "device": devices.name(),
                }
                table.add([{**run, **figures} for figures in measured])
                say(f"measured {weights.name}")
        return table
