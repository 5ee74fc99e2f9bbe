"""An input_fn of a user's own gives batches that the model takes, or is refused by name."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.data import InputFnTask
from pipelines.errors import UserError

IDS = np.ones((8, 6), "int32")


def dataset(inputs=None, labels=IDS, batch=2, drop_remainder=True):
    inputs = {"token_ids": IDS} if inputs is None else inputs
    data = tf.data.Dataset.from_tensor_slices((inputs, labels))
    return data.batch(batch, drop_remainder=drop_remainder)


def read(data, split=None, num_shards=1):
    def input_fn(params):
        return data

    task = InputFnTask(9, input_fn, input_fn)
    options = {"context": 6, "batch_size": 2 * num_shards, "num_shards": num_shards}
    if split:
        return task.evaluation_dataset(split, num_latents=3, **options)
    return task.train_dataset(seed=0, start_step=1, **options)


def test_batches_come_as_they_are_from_a_step_on():
    assert len(list(read(dataset()))) == 3
    assert len(list(read(dataset(), "validation"))) == 4
    for positions in (IDS, IDS[:, :, None]):
        more = {"token_ids": IDS, "lengths": IDS[:, 0], "positions": positions}
        assert len(list(read(dataset(more), num_shards=3))) == 3


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ([1], "must return a tf.data.Dataset, got"),
        (tf.data.Dataset.from_tensor_slices(IDS), "elements must be"),
        (dataset({"ids": IDS}), r"inputs must be of .*token_ids.*, got \['ids'\]"),
        (dataset({"token_ids": IDS.astype("int64")}), "token_ids must be int32 with 2 axes"),
        (dataset(labels=IDS.astype("float32")), "labels must be int32 with 2 axes"),
        (dataset(labels=IDS[:, :5]), "must be of one length, .*'labels': 5"),
        (
            dataset({"token_ids": IDS, "positions": IDS[:, 0]}),
            "positions must be int32 with 2 or 3",
        ),
        (dataset({"token_ids": IDS, "lengths": IDS}), "lengths must be int32 with 1 axes"),
        (dataset(batch=4), "2 rows .*drop_remainder=True"),
        (dataset(drop_remainder=False), "2 rows .*drop_remainder=True"),
    ],
)
def test_what_a_model_does_not_take_is_refused(data, named):
    with pytest.raises(UserError, match=named):
        read(data)


def test_an_evaluation_is_told_of_latents_and_stride():
    seen = []

    def input_fn(params):
        seen.append((params["num_latents"], params["stride"]))
        return dataset()

    task = InputFnTask(9, input_fn, input_fn)
    task.evaluation_dataset("test", 6, 3, 2)
    task.evaluation_dataset("test", 6, 3, 2, stride=1)
    assert seen == [(3, 3), (3, 1)]


def test_an_evaluation_without_an_end_is_refused():
    for data in (dataset().repeat(), dataset().filter(lambda *_: True)):
        with pytest.raises(UserError, match="whose length is known"):
            read(data, "validation")
    with pytest.raises(UserError, match="has no evaluation_input_fn"):
        InputFnTask(9, dataset).evaluation_dataset("test", 6, 3, 2)


def test_a_metric_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="evaluation_metrics must be of"):
        InputFnTask(9, dataset, evaluation_metrics=("perplexity",))
