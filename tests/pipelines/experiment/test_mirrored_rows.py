import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.experiment.mirrored_rows import EvaluationRows, training_rows


def check_row(ids, positions, labels, longest):
    """A row is the start of a sequence; what is labelled is what stands on the other side."""
    size = np.count_nonzero(ids)
    assert (ids[:size] > 0).all() and ids[0] == 2
    assert (positions[size:] == 0).all()
    assert positions[:size].tolist() == list(range(positions[0], positions[0] + size))
    # An input at position p is followed by p + 1, whose source is at 2 · longest − p.
    by_position = dict(zip(positions[:size].tolist(), ids[:size].tolist()))
    for place in np.flatnonzero(labels):
        assert labels[place] == by_position[2 * longest - positions[place]]
    return size


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 40), st.integers(0, 40), st.integers(1, 64))
def test_training_rows_are_mirrored_around_the_middle(seed, half, more, num_latents):
    longest = half + more
    rng = np.random.default_rng(seed)
    inputs, labels = training_rows(rng, 6, half, longest, num_latents)
    assert inputs["token_ids"].shape == inputs["positions"].shape == labels.shape == (6, 2 * half)
    for ids, positions, row in zip(inputs["token_ids"], inputs["positions"], labels):
        size = check_row(ids, positions, row, longest)
        own_half = longest + 1 - positions[0]
        # All that the latents sit on is labelled, or all that is mirrored.
        last = np.arange(max(0, size - num_latents), size)
        assert row[last].all() if num_latents < own_half else np.count_nonzero(row) == own_half - 1


def test_half_of_the_rows_are_as_long_as_they_may_be():
    rng = np.random.default_rng(0)
    inputs, _ = training_rows(rng, 4000, 64, 64, 16)
    halves = 65 - inputs["positions"][:, 0]
    assert abs((halves == 64).mean() - 0.5) < 0.05
    assert halves.min() == 8 and (halves[halves < 64] < 23).mean() > 0.4  # √(8 · 64) = 22.6


@pytest.mark.parametrize(("half", "num_latents"), [(8, 4), (9, 4), (8, 16), (20, 7), (16, 1)])
def test_evaluation_predicts_each_mirrored_id_once(half, num_latents):
    longest, found = 32, []
    rows = EvaluationRows(half, longest, 3, 4, num_latents)
    batches = [rows[index] for index in range(len(rows))]
    for inputs, labels in batches:
        for ids, positions, row in zip(inputs["token_ids"], inputs["positions"], labels):
            if not ids.any():
                assert not row.any()
                continue
            size = check_row(ids, positions, row, longest)
            places = np.flatnonzero(row)
            assert places.min() >= size - num_latents  # where a latent sits
            sequence = [
                index for index in range(3) if (rows.ids[index][: half - 1] == ids[1:half]).all()
            ]
            found += [(sequence[0], place, row[place]) for place in places]
    wanted = [
        (index, half - 1 + place, token)
        for index in range(3)
        for place, token in enumerate(rows.ids[index][::-1])
    ]
    assert sorted(found) == sorted(wanted)


def test_the_longest_sequence_has_the_positions_of_any_other_row():
    (inputs, _) = EvaluationRows(16, 16, 1, 2, 16)[0]
    assert inputs["positions"][0][:30].tolist() == list(range(1, 31))
