"""Rows of prepared shards: each example once, the same after any restart, faults named."""

import collections
import os

import numpy as np
import pytest
import tensorflow as tf

from pipelines.data import BooksTask, LatentCrop, RandomCrop, ShardsTask
from pipelines.errors import UserError
from pipelines.prepare import encoders
from tests.pipelines import shards

SIZES = (40, 300, 7, 120, 500, 61, 90, 33)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    for split, sizes in (("train", SIZES), ("validation", (50, 81, 3)), ("test", (20,))):
        shards.write_books(folder / "books", sizes, split)
    shards.prepare(folder / "books", folder / "shards", shard_bytes=250)
    return folder


def rows(task, steps, **options):
    """The first batches: `(ids, labels)` of numpy arrays."""
    options = {"context": 32, "batch_size": 4, "seed": 0, **options}
    dataset = task.train_dataset(**options)
    return [(x["token_ids"].numpy(), y.numpy()) for x, y in dataset.take(steps)]


def same(found, wanted):
    return len(found) == len(wanted) and all(
        np.array_equal(x, y) for a, b in zip(found, wanted, strict=True) for x, y in zip(a, b)
    )


@pytest.mark.parametrize(
    ("seed", "num_hosts"),
    [
        # One seed is enough for every day.
        pytest.param(seed, num_hosts, marks=[pytest.mark.slow] if seed else [])
        for seed in (0, 1, 2)
        for num_hosts in (1, 2, 4)
    ],
)
def test_each_document_once_in_an_epoch(folders, seed, num_hosts):
    # Whole documents, so that a row tells which it is.
    task = ShardsTask(
        folders / "shards", RandomCrop(10**6), targets_per_example=10**6, window_megabytes=1
    )
    task.window_bytes = 600  # two or three shards at a time
    epochs = [collections.Counter() for _ in range(2)]
    orders = []
    for host in range(num_hosts):
        share = len(SIZES) * (host + 1) // num_hosts - len(SIZES) * host // num_hosts
        found = rows(
            task,
            2 * share,
            context=512,
            batch_size=num_hosts,
            seed=seed,
            shard_index=host,
            num_shards=num_hosts,
        )
        texts = [task.decode(ids[0]) for ids, _ in found]
        for epoch, counter in enumerate(epochs):
            counter.update(texts[epoch * share : (epoch + 1) * share])
            orders.append(texts[epoch * share : (epoch + 1) * share])
    wanted = {(folders / "books/train" / f"{n:03d}.txt").read_text() for n in range(len(SIZES))}
    assert all(set(counter) == wanted for counter in epochs)
    assert all(set(counter.values()) == {1} for counter in epochs)
    if num_hosts == 1:
        assert orders[0] != orders[1]


def test_examples_cover_a_document_evenly(tmp_path):
    shards.write_books(tmp_path / "books", [500])
    shards.prepare(tmp_path / "books", tmp_path / "shards")
    task = ShardsTask(tmp_path / "shards", targets_per_example=10)
    # 501 targets, 51 examples. Rows of 512 hold everything from SOS on: their length tells the end.
    found = np.concatenate([ids for ids, _ in rows(task, 102, batch_size=1, context=512)])
    for epoch in (found[:51], found[51:]):
        ends = sorted(np.count_nonzero(epoch, axis=1))
        for k, end in enumerate(ends):
            assert k * 501 // 51 + 1 <= end <= ((k + 1) * 501 - 1) // 51 + 1


def test_batches_do_not_follow_the_number_of_threads(folders):
    task = ShardsTask(folders / "shards")
    task.window_bytes = 600

    def take(threads):
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        options.threading.max_intra_op_parallelism = threads
        dataset = task.train_dataset(context=32, batch_size=4, seed=3).with_options(options)
        return [(x["token_ids"].numpy(), y.numpy()) for x, y in dataset.take(40)]

    assert same(take(1), take(16))


def test_the_crop_of_an_example_does_not_follow_the_hosts(folders):
    task = ShardsTask(folders / "shards", targets_per_example=20)
    epoch = sum(-(-(size + 1) // 20) for size in SIZES)

    def ids(num_hosts):
        found = []
        for host in range(num_hosts):
            share = epoch * (host + 1) // num_hosts - epoch * host // num_hosts
            found += rows(task, share, batch_size=num_hosts, shard_index=host, num_shards=num_hosts)
        return sorted(x.tobytes() for x, _ in found)

    assert ids(1) == ids(3)


def test_labels_are_those_that_the_crop_scores(folders):
    crop = LatentCrop(8, "equal_position_likelihood")
    task = ShardsTask(folders / "shards", crop, targets_per_example=5)
    counted = [(y > 0).sum(axis=1) for _, y in rows(task, 60)]
    counted = np.concatenate(counted)
    assert counted.max() == 8 and counted.min() < 8
    ids, labels = rows(task, 1)[0]
    for row, label in zip(ids, labels, strict=True):
        (place,) = np.nonzero(label)
        assert (label[place[:-1]] == row[place[1:]]).all()  # what follows each input
        assert place[-1] == np.count_nonzero(row) - 1


@pytest.mark.parametrize("num_hosts", [1, 2, 4])
def test_evaluation_is_that_of_the_books(folders, num_hosts):
    new, old = ShardsTask(folders / "shards"), BooksTask(folders / "books")
    options = {"context": 16, "batch_size": 4, "num_latents": 5, "stride": 3, "places": True}

    def lines(task, host, num_hosts):
        dataset = task.evaluation_dataset(
            "validation", **options, shard_index=host, num_shards=num_hosts
        )
        batches = list(dataset)
        assert len(batches) == int(dataset.cardinality())
        ids = np.concatenate([x["token_ids"].numpy() for x, _ in batches])
        labels = np.concatenate([y.numpy() for _, y in batches])
        sizes = task.document_units("validation")["bytes"]  # unlike each other, and in any order
        places = np.concatenate(
            [np.stack([sizes[x["document"]], x["start"]], -1) for x, _ in batches]
        )
        places *= ids.any(axis=1, keepdims=True)
        return np.concatenate([ids, labels, places], axis=1).tolist()

    found = [line for host in range(num_hosts) for line in lines(new, host, num_hosts)]
    assert sorted(found) == sorted(lines(old, 0, 1))
    assert new.units("validation") == old.units("validation")
    for each in (new.document_units("validation"), old.document_units("validation")):
        assert len(set(each["bytes"].tolist())) == each["bytes"].size > 1
        assert (each["targets"] == each["bytes"] + 1).all()


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "truncated":
        data = data[:-5]
    elif how == "flipped":
        data[len(data) // 2] ^= 1
    elif how == "missing":
        return path.unlink()
    return path.write_bytes(data)


@pytest.mark.parametrize(
    ("how", "message"),
    [("truncated", "bytes instead of"), ("missing", "missing"), ("flipped", "damaged")],
)
def test_a_damaged_shard_is_named(tmp_path, how, message):
    shards.write_books(tmp_path / "books", SIZES)
    made = shards.prepare(tmp_path / "books", tmp_path / "shards", shard_bytes=250)
    file = made.splits["train"][1].file
    damage(tmp_path / "shards" / file, how)
    task = ShardsTask(tmp_path / "shards")
    with pytest.raises((UserError, tf.errors.DataLossError)) as error:
        rows(task, 40)
    if how == "flipped":  # only reading it tells, but not in which file
        assert error.type is tf.errors.DataLossError
        with pytest.raises(UserError, match=message) as error:
            task.check_contents()
    assert file in str(error.value) and message in str(error.value)


def test_a_shard_of_another_set_is_not_read(tmp_path):
    # As long as it should be, and every record whole, but of other documents.
    for name, sizes in (("a", (100, 60)), ("b", (60, 100))):
        shards.write_books(tmp_path / name, sizes)
        shards.prepare(tmp_path / name, tmp_path / f"{name}-shards", shard_bytes=10**6)
    file = "train-00000-of-00001.tfrecord"
    os.replace(tmp_path / "b-shards" / file, tmp_path / "a-shards" / file)
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not hold what its manifest"):
        rows(ShardsTask(tmp_path / "a-shards"), 1)


def test_a_shard_of_the_same_lengths_is_told_by_its_checksum_alone(tmp_path):
    # Which `check_contents` says: a start that read every byte would take too long.
    for name, seed in (("a", 0), ("b", 1)):
        shards.write_books(tmp_path / name, (100, 60), seed=seed)
        shards.prepare(tmp_path / name, tmp_path / f"{name}-shards", shard_bytes=10**6)
    file = "train-00000-of-00001.tfrecord"
    os.replace(tmp_path / "b-shards" / file, tmp_path / "a-shards" / file)
    task = ShardsTask(tmp_path / "a-shards")
    assert len(rows(task, 1)) == 1
    with pytest.raises(UserError, match=f"{file}.* is damaged"):
        task.check_contents()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": RandomCrop}, "with brackets"),
        ({"targets_per_example": 0}, "targets_per_example"),
        ({"targets_per_example": 2**64}, "targets_per_example"),
        ({"targets_per_example": True}, "targets_per_example"),
        ({"window_megabytes": 0}, "window_megabytes"),
        ({"window_megabytes": "1"}, "window_megabytes"),
        ({"window_megabytes": 1e30}, "window_megabytes"),
        ({"window_megabytes": 10**30}, "window_megabytes"),
    ],
)
def test_wrong_settings_are_refused(folders, options, message):
    with pytest.raises(UserError, match=message):
        ShardsTask(folders / "shards", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 16.0}, "context must be an integer .*, got 16.0"),
        ({"batch_size": "4"}, "batch_size must be an integer .*, got '4'"),
        ({"seed": 1.5}, "seed must be an integer .*, got 1.5"),
        ({"seed": 2**63}, "seed must be an integer"),
        ({"start_step": 1.5}, "start_step must be an integer .*, got 1.5"),
        ({"shard_index": 2, "num_shards": 2}, "shard_index must lie in 0 … 1, got 2"),
        ({"num_shards": 2.0}, "num_shards must be an integer"),
    ],
)
def test_wrong_requests_are_refused(folders, options, message):
    with pytest.raises(UserError, match=message):
        rows(ShardsTask(folders / "shards"), 1, **options)


def test_a_crop_needs_a_context_with_room_for_its_latents(folders):
    task = ShardsTask(folders / "shards", LatentCrop(17))
    with pytest.raises(UserError, match="LatentCrop.num_latents is 17 and the context 16"):
        rows(task, 1, context=16)
    assert len(rows(task, 1, context=17)) == 1


def test_the_largest_numbers_are_read(folders):
    # None of them makes a number of rows, steps or bytes overflow.
    task = ShardsTask(
        folders / "shards",
        RandomCrop(2**31 - 1),
        targets_per_example=2**63 - 1,
        window_megabytes=2**31 - 1,
    )
    assert rows(task, 1, start_step=2**31 - 1, seed=2**63 - 1)[0][0].any()


def test_more_hosts_than_examples_are_refused(folders):
    task = ShardsTask(folders / "shards", targets_per_example=10**6)
    with pytest.raises(UserError, match="8 examples, too few for 9 hosts"):
        rows(task, 1, batch_size=9, shard_index=0, num_shards=9)


def test_rows_of_images_carry_the_positions_of_the_place_that_they_are_from(tmp_path):
    shards.write_images(tmp_path / "images", number=2, size=4)
    encoder = encoders.make_encoder("imagenet64", image_size=4)
    shards.prepare(tmp_path / "images", tmp_path / "out", dataset="imagenet64", encoder=encoder)
    task = ShardsTask(tmp_path / "out")
    assert task.document_units("validation")["targets"].tolist() == [48, 48]  # no end
    dataset = task.evaluation_dataset("validation", 20, 3, 9, stride=7, places=True)
    inputs = [x for x, _ in dataset]
    ids, document, start, positions = (
        np.concatenate([x[name] for x in inputs])
        for name in ("token_ids", "document", "start", "positions")
    )
    lengths = np.count_nonzero(ids, axis=1)
    assert len(ids) == 15 and not lengths[14:].any()  # 7 rows of each image: 6 + 6 · 7 targets
    assert document[:14].tolist() == [0] * 7 + [1] * 7
    assert start[:7].tolist() == [0, 0, 0, 7, 14, 21, 28]
    for row, begin, length in zip(positions, start, lengths):
        wanted = task.positions[begin : begin + length]
        np.testing.assert_array_equal(row[:length], wanted)
        assert not row[length:].any()
