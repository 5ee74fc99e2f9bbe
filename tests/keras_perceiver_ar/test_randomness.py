import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_perceiver_ar import randomness
from tests.keras_perceiver_ar.support import jitted, to_numpy

# kat_vectors of Random123: key, counter, result of Threefry-2x32 with 20 rounds.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
SEED = np.array([3, 4], "uint32")


def uint32(*numbers):
    return [np.array([number], "uint32") for number in numbers]


@pytest.mark.parametrize("key, counter, wanted", KNOWN)
def test_known_answers(key, counter, wanted):
    bits = randomness.threefry_2x32(uint32(*key), uint32(*counter))
    assert [int(to_numpy(part)[0]) for part in bits] == list(wanted)


def test_known_answers_as_one_batch_in_a_compiled_function():
    keys, counters, wanted = (
        [np.array(column, "uint32") for column in np.transpose(part)]
        for part in zip(*[([k], [c], [w]) for k, c, w in KNOWN])
        for part in [np.concatenate(part)]
    )
    bits = jitted(randomness.threefry_2x32)(tuple(keys), tuple(counters))
    assert (np.stack([to_numpy(part) for part in bits]) == np.stack(wanted)).all()


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(1, 70))
def test_splitting_is_folding_each_number_in(first, second, count):
    seed = np.array([first, second], "uint32")
    together = randomness.split(seed, count)
    assert len(together) == count and to_numpy(together[0]).dtype == np.uint32
    for number in {0, count // 2, count - 1}:
        alone = to_numpy(randomness.fold_in(seed, number))
        np.testing.assert_array_equal(to_numpy(together[number]), alone)


def test_splitting_nothing():
    assert randomness.split(None, 3) == [None] * 3


def test_uniform_is_the_upper_24_bits():
    keys = uint32(13), uint32(0)
    values = [
        float(to_numpy(randomness.uniform((keys[0][0], keys[1][0]), tuple(uint32(count, 0))))[0])
        for count in range(3)
    ]
    bits = [
        int(to_numpy(randomness.threefry_2x32((keys[0][0], keys[1][0]), uint32(count, 0))[0])[0])
        for count in range(3)
    ]
    assert values == [(number >> 8) / 2**24 for number in bits]


def test_uniform_fills_the_unit_interval():
    counters = np.arange(20_000, dtype="int32")
    zeros = np.zeros_like(counters)
    values = to_numpy(randomness.uniform((zeros + 7, zeros), (counters, zeros)))
    assert values.dtype == np.float32
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, bins=20, range=(0, 1))[0]
    # χ² with 19 degrees of freedom: 43.8 is passed once in a thousand times.
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=4, max_size=4), st.integers(0, 3))
def test_a_row_draws_as_if_it_were_alone(seeds, row):
    seeds = np.array(seeds, "int32")
    counters, zeros = np.arange(4, dtype="int32"), np.zeros(4, "int32")
    together = to_numpy(randomness.uniform((seeds, zeros), (counters, zeros)))
    one = slice(row, row + 1)
    alone = randomness.uniform((seeds[one], zeros[one]), (counters[one], zeros[one]))
    assert to_numpy(alone)[0] == together[row]
    assert 0 <= together[row] < 1


def test_fold_in_derives_seeds_that_differ():
    seeds = [to_numpy(randomness.fold_in(SEED, number)) for number in range(50)]
    seeds += [to_numpy(randomness.fold_in(SEED[::-1].copy(), number)) for number in range(50)]
    assert seeds[0].dtype == np.uint32
    assert seeds[0].shape == (2,)
    assert len({tuple(seed) for seed in seeds}) == 100
    assert (to_numpy(randomness.fold_in(SEED, np.int32(7))) == seeds[7]).all()
    assert (to_numpy(jitted(randomness.fold_in)(SEED, np.int32(7))) == seeds[7]).all()


def test_fold_in_is_the_cipher_of_the_number():
    wanted = randomness.threefry_2x32(uint32(3, 4), uint32(9, 0))
    folded = to_numpy(randomness.fold_in(SEED, 9))
    assert folded.tolist() == [int(to_numpy(part)[0]) for part in wanted]


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_zeroes_at_its_rate_and_scales_the_rest(rate):
    x = np.full((100, 100), 3.0, "float32")
    dropped = to_numpy(randomness.dropout(x, rate, SEED))
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], 3 / (1 - rate), rtol=1e-6)
    # Within four standard deviations of 10,000 draws.
    assert abs(1 - kept.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / x.size)


def test_dropout_is_a_function_of_its_seed():
    x = np.ones((30, 30), "float32")

    def kept(number):
        return to_numpy(randomness.dropout(x, 0.5, randomness.fold_in(SEED, number))) != 0

    assert (kept(0) == kept(0)).all()
    assert 0.4 < (kept(0) == kept(1)).mean() < 0.6
    compiled = jitted(lambda x, seed: randomness.dropout(x, 0.5, randomness.fold_in(seed, 0)))
    assert ((to_numpy(compiled(x, SEED)) != 0) == kept(0)).all()


def test_no_dropout_is_no_operation():
    x = keras.ops.ones((2, 2))
    assert randomness.dropout(x, 0.0, None) is x
