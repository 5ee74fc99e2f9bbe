"""Experiment e: the same images, generated in different orders."""

import dataclasses
import pathlib
import re

import numpy as np

import gin
from keras_perceiver_ar.codecs import image_codec
from keras_perceiver_ar.generation import DataMask
from pipelines.checks import MOST_SEED, check_integer, check_integers
from pipelines.errors import UserError
from pipelines.experiment import devices, image_sets, sampling
from pipelines.experiment.experiment import TrainsAModel
from pipelines.experiment.npy_rows import NpyRows
from pipelines.experiment.table import Table

OWN, TARGET = "own", "target"  # the positions that a model is told: of inputs, of targets as well


@gin.configurable(module="experiments")
@dataclasses.dataclass(frozen=True)
class OrdersExperiment(TrainsAModel):
    """The same model on the same images for as many steps, once in each order of their values.

    And once more where it is told where the next value goes, if it is to be.

    In its table is a row for each `order`, `positions` ("own", or "target" where it is told),
    `seed` and document: what `Language.measure` says.

    Args:
        models: `Language`. Its data are those of the first order.
        folders: dict of str to str. Of each order, the folder that `pipelines.prepare --format=npy
            --order=…` wrote.
        num_latents: int. N. The context is a whole image.
        told: `Language` or None. The same model with `target_positions`, to be trained besides.
        steps: int.
        seeds: tuple of int. Of weights, rows and dropout.
        samples: int. Images that are drawn in each order, with the weights of the first seed.
        temperature: float. Of the samples.
        top_p: float. Of the samples.
    """

    models: object
    folders: dict
    num_latents: int
    steps: int
    told: object = None
    seeds: tuple = (0, 1, 2)
    samples: int = 8
    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self):
        for name in ("num_latents", "steps", "samples"):
            check_integer(f"OrdersExperiment.{name}", getattr(self, name))
        check_integers("OrdersExperiment.seeds", self.seeds, least=0, most=MOST_SEED)
        sampling.make_sampler(self.temperature, self.top_p)
        if (
            not isinstance(self.folders, dict)
            or len(self.folders) < 2
            or not all(re.fullmatch(r"[a-z0-9]+", str(name)) for name in self.folders)
        ):
            raise UserError(
                "OrdersExperiment.folders must name two orders or more in small letters, each with "
                f"its folder, such as {{'raster': 'DIR', 'rgb': 'DIR'}}; got {self.folders!r}"
            )
        for name, models in (("models", self.models), ("told", self.told)):
            wanted = name == "told"
            if models is not None and models.target_positions != wanted:
                raise UserError(
                    f"OrdersExperiment.{name} must be of a Language whose target_positions are "
                    f"{wanted}, got {models.target_positions}: the table calls them so"
                )
        image_sets.check_alike(self.folders, ("train", *self.models.splits))
        for positions in self._settings:
            for folder in self.folders.values():
                self._models(folder, positions)
        check_integer("OrdersExperiment.num_latents", self.num_latents, most=self._context)

    def check(self):
        for models in self._settings.values():
            models.make_model(self._context, self.num_latents, self.seeds[0])

    @property
    def sets(self):
        return self.folders

    def kept_weights(self, path):
        return self._weights(self._first, OWN, self.seeds[0], pathlib.Path(path))

    def kept_rows(self, rows):
        kept = self._first, OWN, str(self.seeds[0])
        # Tables of old know their own positions alone.
        return [
            row for row in rows if (row["order"], row.get("positions", OWN), row["seed"]) == kept
        ]

    def trained(self, path, say):
        path = pathlib.Path(path)
        return self._trained(self._first, OWN, self.seeds[0], path, say)

    def run(self, path, say):
        path = pathlib.Path(path)
        table = Table.beside(path)
        for seed in self.seeds:
            for positions, order in self._kinds:
                if table.has(order=order, positions=positions, seed=seed):
                    continue
                model, history = self._trained(order, positions, seed, path, say)
                run = {
                    "order": order,
                    "positions": positions,
                    "seed": seed,
                    "latents": self.num_latents,
                    "context": self._context,
                    "steps": history[-1]["step"],
                    "seconds": history[-1]["seconds"],
                    "params": model.count_params(),
                    "device": devices.name(),
                }
                models = self._models(self.folders[order], positions)
                measured = models.measure(model, self._context, self.num_latents)
                table.add([{**run, **figures} for figures in measured])
                say(f"measured {self._name(path, order, positions)}_{seed}")
        for positions, order in self._kinds:
            self._samples(order, positions, path, say)
        return table

    def show(self, path, say):
        """Draws PATH_samples.png: images of each order, below some that are real.

        Args:
            path: path, that of `run`.
            say: function of a line.
        """
        from pipelines.experiment import image_grid

        path = pathlib.Path(path)
        first = NpyRows(next(iter(self.folders.values())))
        split = self.models.splits[0]
        count = min(self.samples, first.num_events(split).size)
        rows = {f"real images ({split})": image_sets.images(first, split, count)}
        for positions, order in self._kinds:
            of_order = NpyRows(self.folders[order])
            told = ", told where each value goes" if positions == TARGET else ""
            rows[f"drawn in the order {order}{told}"] = np.stack(
                [
                    image_sets.decode(of_order, row)
                    for row in self._samples(order, positions, path, say)
                ]
            )
        file = path.with_name(path.name + "_samples.png")
        image_grid.draw(
            rows,
            file,
            f"Samples of Perceiver AR, {first.codec['size']} × {first.codec['size']} pixels, "
            f"{self.steps:,} steps, temperature {self.temperature:g}, top-p {self.top_p:g}",
        )
        say(f"wrote {file}")

    @property
    def _first(self):
        """The order whose model is kept."""
        return next(iter(self.folders))

    @property
    def _context(self):
        """T: SOS and all values but the last are inputs."""
        return len(NpyRows(next(iter(self.folders.values()))).positions) - 1

    @property
    def _settings(self):
        """What a model is told, and the `Language` of those that are."""
        return {OWN: self.models} | ({} if self.told is None else {TARGET: self.told})

    @property
    def _kinds(self):
        """Models that are trained with each seed: list of (positions, order)."""
        return [(positions, order) for positions in self._settings for order in self.folders]

    def _models(self, folder, positions):
        return dataclasses.replace(self._settings[positions], data=folder)

    def _name(self, path, order, positions):
        return f"{path.name}_{order}" + ("_told" if positions == TARGET else "")

    def _weights(self, order, positions, seed, path):
        return path.with_name(f"{self._name(path, order, positions)}_{seed}")

    def _trained(self, order, positions, seed, path, say):
        """A model with its weights, and its history; trained where it is not yet."""
        models = self._models(self.folders[order], positions)
        model = models.make_model(self._context, self.num_latents, seed)
        weights = self._weights(order, positions, seed, path)
        return model, models.train(model, self._context, self.steps, seed, weights, say)

    def _samples(self, order, positions, path, say):
        """int32 (samples, T + 1): rows that the model of an order drew, SOS first."""

        def draw():
            model, _ = self._trained(order, positions, self.seeds[0], path, say)
            say(f"drawing {self.samples} images: {self._name(path, order, positions)}")
            return sampling.draw(
                model,
                np.full((self.samples, 1), image_codec.SOS, np.int32),
                self._context,
                sampling.make_sampler(self.temperature, self.top_p),
                (DataMask(image_codec.VOCAB_SIZE),),
                self._models(self.folders[order], positions).rows.positions,
            )

        file = f"{self._name(path, order, positions)}_samples.npy"
        return sampling.kept(path.with_name(file), draw)
