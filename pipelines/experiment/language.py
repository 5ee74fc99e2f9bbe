"""Models of documents: how they are made, trained on rows of .npy files, and measured."""

import dataclasses
import pathlib

import keras

import gin
import keras_perceiver_ar as kpar
from pipelines import gin_models
from pipelines.checks import check_integer, check_number
from pipelines.command_line import user_errors
from pipelines.errors import UserError
from pipelines.experiment import fitting
from pipelines.experiment.npy_rows import NpyRows
from pipelines.experiment.row_sums import RowSums
from pipelines.position_checks import check_positions


@gin.configurable(module="experiments")
@dataclasses.dataclass(frozen=True)
class Language:
    """What all models of an experiment have in common.

    Args:
        data: str. Folder that `pipelines.prepare --format=npy` wrote.
        backbone: function that makes a `PerceiverARBackbone`, given `vocab_size`, `max_context`,
            `num_latents` and `seed`.
        batch_size: int. Rows of a batch.
        learning_rate: float. The peak: a tenth of the steps it rises, then it falls along a cosine.
        stretch: int. Steps between two looks; the last are fewer.
        splits: tuple of str. What is measured.
        documents: int or None. The first so many of each split are measured; None is all.
        target_positions: bool. Of images: whether the model is told where the next value goes; see
            `keras_perceiver_ar.positions.with_targets`.
    """

    data: str
    backbone: object
    batch_size: int
    learning_rate: float = 1e-3
    stretch: int = 50
    splits: tuple = ("validation", "test")
    documents: int | None = None
    target_positions: bool = False

    def __post_init__(self):
        check_integer("Language.batch_size", self.batch_size)
        check_integer("Language.stretch", self.stretch)
        check_integer("Language.documents", self.documents, optional=True)
        check_number("Language.learning_rate", self.learning_rate, above=True)
        if not callable(self.backbone):
            raise UserError(
                "Language.backbone must be a name without brackets, such as @PerceiverARBackbone, "
                f"got {self.backbone!r}"
            )
        # Refuses a folder that is no such set, or lacks a split, before anything is trained.
        if (
            not isinstance(self.splits, (tuple, list))
            or not self.splits
            or len(set(self.splits)) < len(self.splits)
        ):
            raise UserError(
                "Language.splits must be a tuple of different names, such as ('validation',), got "
                f"{self.splits!r}"
            )
        for split in ("train", *self.splits):
            self.rows.num_events(split)

    @property
    def rows(self):
        """`NpyRows` of the data."""
        return NpyRows(self.data, self.target_positions)

    def make_model(self, max_context, num_latents, seed):
        """A new `PerceiverARCausalLM`.

        Raises:
            UserError: sizes that do not fit each other.
        """
        keras.utils.set_random_seed(seed)
        with user_errors(ValueError, TypeError):
            backbone = self.backbone(
                vocab_size=self.rows.vocab_size,
                max_context=max_context,
                num_latents=num_latents,
                seed=seed,
            )
            model = gin_models.make_causal_lm(backbone)
        check_positions(self.rows, backbone)
        return model

    def train(self, model, context, steps, seed, path, say):
        """Trains a new model; goes on where an earlier start was interrupted.

        Args:
            model: of logits, `PerceiverARCausalLM` or a `Baseline`.
            context: int. M, inputs of a row.
            steps: int.
            seed: int. Of the rows.
            path: path, the prefix of `fitting.fit`.
            say: function of a line.

        Returns:
            as `fitting.fit`.
        """
        rows = self.rows
        rate = kpar.training.CosineWithWarmup(
            self.learning_rate, steps, steps // 10, end_learning_rate=self.learning_rate / 20
        )
        model.compile(
            keras.optimizers.Adam(rate, global_clipnorm=1.0),
            loss=kpar.training.PerceiverARLoss(),
            metrics=[kpar.training.BitsPerToken()],
        )
        name = pathlib.Path(path).name

        def tell(figures):
            say(
                f"{name} | step {figures['step']} of {steps} | {figures['bits_per_token']:.4f} "
                f"bits per token | {figures['seconds']:.0f} s"
            )

        return fitting.fit(
            model,
            lambda step: rows.training_batch(context, self.batch_size, seed, step),
            steps,
            path,
            stretch=self.stretch,
            say=tell,
        )

    def measure(self, model, context, stride, num_latents=None, batch_size=None):
        """What a model says of documents, one by one.

        Args:
            model: as in `train`.
            context: int. M, the most inputs of a row.
            stride: int. Targets of a row.
            num_latents: int or None. Another N than the model's.
            batch_size: int or None. None is as in training.

        Returns:
            list of dict: `split`, `document`, its `nats`, `right` guesses and `targets`; its
            `bytes` where it is text.
        """
        rows, found = self.rows, []
        sums = RowSums(model, num_latents)
        for split in self.splits:
            batches = rows.evaluation_batches(
                split, context, batch_size or self.batch_size, stride, self.documents
            )
            of_rows = sums.over(batches)[: batches.document.size]
            units = rows.units(split)
            for number in range(batches.document[-1] + 1):
                nats, right, targets = of_rows[batches.document == number].sum(axis=0)
                found.append(
                    {
                        "split": split,
                        "document": number,
                        "nats": nats,
                        "right": int(right),
                        "targets": int(targets),
                        **({"bytes": int(units["bytes"][number])} if "bytes" in units else {}),
                    }
                )
        return found
