"""Buckets of places, and sums of a replica by them, against plain counting."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.evaluation.places import Buckets, PlaceSums


@pytest.mark.parametrize(
    ("first", "last", "edges"),
    [(512, 4096, [0, 512, 1024, 2048, 4096]), (1, 5, [0, 1, 2, 4]), (1, 0, [0])],
)
def test_edges_double(first, last, edges):
    buckets = Buckets(first, last)
    assert buckets.edges == edges and len(buckets) == len(edges)


def test_a_bucket_holds_its_first_number_and_not_its_end():
    numbers = np.array([0, 511, 512, 1023, 1024, 2047, 2048, 10**6], "int32")
    found = Buckets(512, 2048).of(tf.constant(numbers))
    assert found.numpy().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_rows_leave_out_what_holds_nothing():
    rows = Buckets(1, 4).rows(np.array([2.0, 0.0, 9.0, 4.0]), np.array([1.0, 0.0, 3.0, 4.0]), 6)
    assert rows == [
        {"from": 0, "to": 1, "loss": 2.0, "targets": 1},
        {"from": 2, "to": 4, "loss": 3.0, "targets": 3},
        {"from": 4, "to": 6, "loss": 1.0, "targets": 4},
    ]
    (row,) = Buckets(8, 4).rows(np.array([2.0]), np.array([1.0]))
    assert (row["from"], row["to"]) == (0, None)


# Five latents: a row from event 510 on, one of three inputs, and one that fills up the batch.
STEPS = np.array([[0, 1, 2, 3, 4], [-1, -1, 0, 1, 2], [-1] * 5], "int32")
PLACES = {"document": np.array([2, 0, 0], "int32"), "start": np.array([510, 0, 0], "int32")}
LABELS = np.array([[0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [0] * 5], "float64")
LOSS = LABELS * np.arange(1, 16).reshape(3, 5)
SCORES = {"loss": LOSS, "correct": LABELS * [1, 0, 1, 0, 1], "labels": LABELS, "data": LABELS}


def test_sums_by_place_latent_and_document():
    place_sums = PlaceSums(5, 3)
    found = {k: v.numpy() for k, v in place_sums.sums(STEPS, PLACES, SCORES).items()}
    assert {name: values.size for name, values in found.items()} == place_sums.vectors
    assert all(values.dtype == "float64" for values in found.values())
    # Targets 512, 513, 514 of document 2 by latents 2, 3, 4; 1 and 2 of document 0 by 1 and 2.
    assert found["document_loss"].tolist() == [9 + 10, 0, 3 + 4 + 5]
    assert found["document_correct"].tolist() == [1, 0, 2]
    assert place_sums.rows(found) == {
        "loss_by_position": [
            {"from": 0, "to": 512, "loss": 9.5, "targets": 2},
            {"from": 512, "to": 1024, "loss": 4.0, "targets": 3},
        ],
        "loss_by_latent": [
            {"from": 1, "to": 2, "loss": 9.0, "targets": 1},
            {"from": 2, "to": 4, "loss": (3 + 4 + 10) / 3, "targets": 3},
            {"from": 4, "to": 5, "loss": 5.0, "targets": 1},
        ],
    }


def test_rows_that_do_not_say_where_they_are_from_have_their_latents_alone():
    place_sums = PlaceSums(5)
    found = {k: v.numpy() for k, v in place_sums.sums(STEPS, {}, SCORES).items()}
    assert found.keys() == place_sums.vectors.keys() == {"latent_loss", "latent_labels"}
    assert place_sums.rows(found)["loss_by_position"] is None
    assert sum(row["targets"] for row in place_sums.rows(found)["loss_by_latent"]) == 5
