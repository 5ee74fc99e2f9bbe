"""Data of a user's own, as TPUEstimator took them: `input_fn(params)`."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from pipelines.checks import check_integer
from pipelines.errors import UserError

_METRICS = ("accuracy", "bits_per_dim", "bits_per_token", "nll_per_event")
# Of what a batch may hold, how many there may be. Positions have one for their own axes if they
# have more than one.
_AXES = {"token_ids": (2,), "positions": (2, 3), "lengths": (1,), "labels": (2,)}


@dataclasses.dataclass(frozen=True)
class InputFnTask:
    """A task of two functions.

    Each is called once for each worker, with a dict `params`: `batch_size`, the rows of the global
    batch; `context`, the inputs M that the model reads at most; `seed`; and `shard_index` of
    `num_shards`, the worker's part. It returns a `tf.data.Dataset` of batches of
    `batch_size // num_shards` rows, with static shapes: a dict of `token_ids` int32 (b, M), and
    `positions` and `lengths` if there are some; and the labels int32 (b, M), 0 where none counts.

    A run that goes on skips the batches that it has read, so the same ones must come again.

    Args:
        vocab_size: int. Ids V: 0 is padding, 1 EOS, 2 SOS.
        train_input_fn: function. Its dataset must not end.
        evaluation_input_fn: function or None. It gets `split`, `num_latents`, and `stride` as well,
            the targets to be labelled in a row at the most.
        evaluation_metrics: tuple of str: "accuracy", "bits_per_dim", "bits_per_token",
            "nll_per_event".
    """

    vocab_size: int
    train_input_fn: Callable
    evaluation_input_fn: Callable | None = None
    evaluation_metrics: tuple = ("accuracy",)

    is_text = False

    def __post_init__(self):
        check_integer("InputFnTask.vocab_size", self.vocab_size, least=4)
        if not set(self.evaluation_metrics) <= set(_METRICS):
            raise UserError(
                f"InputFnTask.evaluation_metrics must be of {_METRICS}, "
                f"got {self.evaluation_metrics!r}"
            )
        for name in ("train_input_fn", "evaluation_input_fn"):
            function = getattr(self, name)
            if not callable(function) and (function is not None or name == "train_input_fn"):
                raise UserError(
                    f"InputFnTask.{name} must be a function of params, got {function!r}"
                )

    def train_dataset(self, context, batch_size, seed, start_step=0, shard_index=0, num_shards=1):
        """Batches of a worker, from a step on."""
        params = {
            "batch_size": batch_size,
            "context": context,
            "seed": seed,
            "shard_index": shard_index,
            "num_shards": num_shards,
        }
        return self._checked(self.train_input_fn, params).skip(start_step)

    def evaluation_dataset(
        self, split, context, num_latents, batch_size, shard_index=0, num_shards=1, stride=None
    ):
        """Batches of a worker, each once.

        Raises:
            UserError: there is no function for them.
        """
        if self.evaluation_input_fn is None:
            raise UserError("this InputFnTask has no evaluation_input_fn")
        params = {
            "split": split,
            "batch_size": batch_size,
            "context": context,
            "num_latents": num_latents,
            "stride": num_latents if stride is None else stride,
            "shard_index": shard_index,
            "num_shards": num_shards,
        }
        data = self._checked(self.evaluation_input_fn, params)
        if int(data.cardinality()) < 0:
            raise UserError(
                "evaluation_input_fn must return a dataset whose length is known: end it, or say "
                "it with dataset.apply(tf.data.experimental.assert_cardinality(BATCHES))"
            )
        return data

    def _checked(self, input_fn, params):
        """The dataset of an `input_fn`, if its batches are what the model takes."""
        data, rows = input_fn(params), params["batch_size"] // params["num_shards"]
        name = getattr(input_fn, "__name__", "input_fn")
        if not isinstance(data, tf.data.Dataset):
            raise UserError(f"{name} must return a tf.data.Dataset, got {data!r:.100}")
        spec = data.element_spec
        if not isinstance(spec, tuple) or len(spec) != 2 or not isinstance(spec[0], dict):
            raise UserError(f"{name}: elements must be ({{'token_ids': …}}, labels), got {spec}")
        parts = {"labels": spec[1], **spec[0]}
        if not {"token_ids"} <= spec[0].keys() <= _AXES.keys() - {"labels"}:
            wanted = ", ".join(_AXES.keys() - {"labels"})
            raise UserError(f"{name}: inputs must be of {wanted}, got {[*spec[0]]}")
        for key, part in parts.items():
            _check_part(name, key, part, rows)
        lengths = {key: part.shape[1] for key, part in parts.items() if part.shape.rank > 1}
        if len(set(lengths.values())) > 1 or None in lengths.values():
            raise UserError(f"{name}: all rows must be of one length, known beforehand: {lengths}")
        return data

    def units(self, split):
        """Nothing is known of what the labels stand for."""
        del split
        return {}


def _check_part(name, key, part, rows):
    axes = _AXES[key]
    fits = isinstance(part, tf.TensorSpec) and part.dtype == tf.int32 and part.shape.rank in axes
    if not fits or part.shape[0] != rows:
        raise UserError(
            f"{name}: {key} must be int32 with {' or '.join(map(str, axes))} axes and {rows} rows "
            f"(batch_size // num_shards; batch with drop_remainder=True), got {part}"
        )
