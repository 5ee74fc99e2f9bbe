"""TensorFlow's own file system over `gs://`, and what it gets over by itself."""

import numpy as np
import pytest
import tensorflow as tf

gfile = tf.io.gfile
BIG = np.random.default_rng(0).bytes(40 * 2**20)


def write(path, data):
    with gfile.GFile(path, "wb") as file:
        file.write(data)


def read(path):
    with gfile.GFile(path, "rb") as file:
        return file.read()


@pytest.fixture
def folder(storage, bucket):
    for name in ("a/1.txt", "a/b/2.txt", "a/b/c/3.txt", "d ü+%.txt"):
        storage.put(bucket, name, name.encode())
    return f"gs://{bucket}"


def test_names(folder):
    assert sorted(gfile.listdir(folder)) == ["a/", "d ü+%.txt"]
    assert gfile.glob(f"{folder}/a/*.txt") == [f"{folder}/a/1.txt"]
    walked = {place.rstrip("/"): sorted(files) for place, _, files in gfile.walk(f"{folder}/a")}
    assert walked == {
        f"{folder}/a": ["1.txt"],
        f"{folder}/a/b": ["2.txt"],
        f"{folder}/a/b/c": ["3.txt"],
    }
    assert gfile.isdir(f"{folder}/a/b") and not gfile.isdir(f"{folder}/a/1.txt")
    assert gfile.exists(f"{folder}/a/b/2.txt") and not gfile.exists(f"{folder}/a/b/4.txt")
    assert gfile.stat(f"{folder}/a/b/2.txt").length == len("a/b/2.txt")
    assert read(f"{folder}/d ü+%.txt").decode() == "d ü+%.txt"


def test_a_list_of_many_pages_is_whole(storage, bucket):
    names = [f"{number:02}.txt" for number in range(23)]
    for name in names:
        storage.put(bucket, f"x/{name}", b"")
    storage.put(bucket, "x/within/1.txt", b"")
    storage.put(bucket, "x/within/2.txt", b"")
    storage.set_page_size(5)
    assert sorted(gfile.listdir(f"gs://{bucket}/x")) == [*names, "within/"]
    assert storage.take_counts()["list"] >= 5


def test_write_append_rename_remove(storage, bucket):
    folder = f"gs://{bucket}/new"
    gfile.makedirs(folder)
    assert storage.names(bucket) == ["new/"]  # the mark of a folder
    write(f"{folder}/x", b"one")
    with gfile.GFile(f"{folder}/x", "ab") as file:
        file.write(b", two")
    gfile.rename(f"{folder}/x", f"{folder}/y")
    assert not gfile.exists(f"{folder}/x") and read(f"{folder}/y") == b"one, two"
    gfile.rename(folder, f"gs://{bucket}/moved")
    assert storage.names(bucket) == ["moved/", "moved/y"]
    gfile.remove(f"gs://{bucket}/moved/y")
    gfile.rmtree(f"gs://{bucket}/moved")
    assert storage.names(bucket) == []
    with pytest.raises(tf.errors.NotFoundError):
        read(f"gs://{bucket}/moved/y")


def test_a_big_object_comes_back(storage, bucket):
    write(f"gs://{bucket}/big", BIG)
    assert storage.read(bucket, "big") == BIG
    assert read(f"gs://{bucket}/big") == BIG


def test_an_upload_that_breaks_off_is_continued(storage, bucket):
    storage.set_faults(broken_uploads=1)
    write(f"gs://{bucket}/x", BIG[: 2**20])
    assert storage.read(bucket, "x") == BIG[: 2**20]
    counts = storage.take_counts()
    assert counts["broken_upload"] == 1 and counts["bytes_written"] == 2**20  # none came twice


def records(bucket, shards=8, of_each=50):
    """Writes shards of records; returns their paths and the records."""
    written, random = {}, np.random.default_rng(1)
    for shard in range(shards):
        path = f"gs://{bucket}/{shard}-of-{shards}.tfrecord"
        written[path] = [random.bytes(1000) for _ in range(of_each)]
        with tf.io.TFRecordWriter(path) as writer:
            for record in written[path]:
                writer.write(record)
    return list(written), [record for shard in written.values() for record in shard]


def interleaved(paths):
    files = tf.data.Dataset.from_tensor_slices(paths)
    data = files.interleave(tf.data.TFRecordDataset, cycle_length=8, num_parallel_calls=8)
    return list(data.as_numpy_iterator())


def test_interleaved_shards(bucket):
    paths, written = records(bucket)
    assert sorted(interleaved(paths)) == sorted(written)


@pytest.mark.parametrize("fault", ["unavailable", "too_many", "cut"])
def test_shards_are_read_whole_in_spite_of(storage, bucket, fault):
    paths, written = records(bucket, shards=2)
    storage.take_counts()
    storage.set_faults(**{fault: 1.0}, tries=1)
    assert sorted(interleaved(paths)) == sorted(written)
    assert storage.take_counts()[fault] == 2  # each shard once


def test_a_missing_shard_is_an_error(storage, bucket):
    paths, _ = records(bucket, shards=2)
    storage.set_faults(missing=("1-of-2.tfrecord",))
    with pytest.raises(tf.errors.NotFoundError, match="1-of-2"):
        interleaved(paths)


def test_readers_of_tensorflow_take_a_short_answer_for_the_whole(storage, bucket):
    # Nothing in the answer tells: the file ends between two records.
    paths, written = records(bucket, shards=1, of_each=2)
    storage.set_faults(short=1.0)
    assert interleaved(paths) == written[:1]
    with pytest.raises(tf.errors.InternalError, match="inconsistent"):
        read(paths[0])  # it knows the size, so it sees
