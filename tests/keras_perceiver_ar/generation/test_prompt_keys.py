"""Prompts read in parts give the keys that they give as a whole."""

import numpy as np
import pytest

from keras_perceiver_ar.generation import prompt_keys
from tests.keras_perceiver_ar.support import all_to_numpy, jitted, random_ids, tiny_model


@pytest.mark.parametrize("batch, room", [(2, 23), (1, 7), (3, 1), (5, 24)])
@pytest.mark.parametrize("events", [1, 8, 11, 46])
def test_parts_are_the_whole(monkeypatch, batch, room, events):
    calls = []

    def project(ids, positions):
        calls.append(ids.shape)
        return ids[..., None] * 10 + positions, (positions[..., None, :] * 3,)

    ids = random_ids(0, batch, room)
    positions = random_ids(1, batch * room, 2).reshape(batch, room, 2)
    monkeypatch.setattr(prompt_keys, "EVENTS", events)
    keys, (values,) = all_to_numpy(
        jitted(lambda *inputs: prompt_keys.keys_and_values(project, *inputs))(ids, positions)
    )
    np.testing.assert_array_equal(keys, ids[..., None] * 10 + positions)
    np.testing.assert_array_equal(values, positions[..., None, :] * 3)
    assert max(rows * count for rows, count in calls) <= max(events, batch)


def test_nothing_reads_the_inputs():
    assert prompt_keys.keys_and_values(lambda *_: (), random_ids(0, 1, 9), None) == ()


def test_generation_is_the_same_in_parts(monkeypatch):
    prompts = {"token_ids": random_ids(0, 3, 15), "lengths": [15, 2, 9]}
    whole = tiny_model().generate(prompts, 9, "greedy", stop_ids=())
    monkeypatch.setattr(prompt_keys, "EVENTS", 12)
    parts = tiny_model().generate(prompts, 9, "greedy", stop_ids=())
    assert (parts["token_ids"] == whole["token_ids"]).all()
    np.testing.assert_allclose(parts["log_probs"], whole["log_probs"], rtol=0, atol=2e-5)
