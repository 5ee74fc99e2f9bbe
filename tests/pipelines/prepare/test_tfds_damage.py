"""Sets of TensorFlow Datasets with files that are missing or end early: no shard holds less."""

import pytest
import tensorflow_datasets as tfds

from pipelines.errors import UserError
from pipelines.prepare import encoders, job, shard_writer, tfds_source
from tests.pipelines import tfds_sets


@pytest.fixture
def books(tmp_path):
    """A set with two files, to be damaged: its folder, the data directory."""
    examples = [{"text": f"Book {n}"} for n in range(20)]
    tfds_sets.build(tmp_path, "books", {"text": tfds.features.Text()}, {"train": examples}, files=2)
    return tmp_path / "books/1.0.0"


def end_of_record(data, number):
    end = 0
    for _ in range(number):
        end += 16 + int.from_bytes(data[end : end + 8], "little")
    return end


@pytest.mark.parametrize("cut", [0, 3, -3])  # between two records, in a length, in a record
def test_a_file_that_ends_early_is_refused(books, cut):
    source = tfds_source.find("books", str(books.parents[1]), None, 1000)
    file = books / "books-train.tfrecord-00000-of-00002"
    file.write_bytes(file.read_bytes()[: end_of_record(file.read_bytes(), 4) + cut])
    with pytest.raises(UserError, match=r"train\[0:20\] cannot be read whole from .*books"):
        write_one(source, books.parents[1] / "out")


def write_one(source, folder):
    encoder = encoders.make_encoder("text")
    return job.prepare(
        source.dataset,
        source.documents,
        encoder,
        str(folder),
        shard_bytes=1e6,
        seed=0,
        strict=False,
        write_all=lambda plans: [job.write(plan, encoder) for plan in plans],
    )


def test_a_short_answer_is_asked_for_again(books, monkeypatch):
    source = tfds_source.find("books", str(books.parents[1]), None, 1e6)
    file = books / "books-train.tfrecord-00001-of-00002"
    whole, write, tries = file.read_bytes(), shard_writer.write, []
    file.write_bytes(whole[: end_of_record(whole, 4)])

    def mend(plan, encoder):
        tries.append(plan)
        if len(tries) == 2:
            file.write_bytes(whole)
        return write(plan, encoder)

    monkeypatch.setattr(shard_writer, "write", mend)
    made = write_one(source, books.parents[1] / "out")
    assert len(tries) == 2 and made.splits["train"][0].documents == 20
    left = [path.name for path in (books.parents[1] / "out").iterdir()]
    assert not [name for name in left if "writing" in name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("books-train.tfrecord-00001-of-00002", "cannot read .*00001-of-00002"),
        ("dataset_info.json", "reading 'books' in"),
        ("features.json", "'books' is not prepared"),
    ],
)
def test_a_set_with_a_file_missing_is_refused(books, name, message):
    (books / name).unlink()
    with pytest.raises(UserError, match=message):
        tfds_source.find("books", str(books.parents[1]), None, 1e6)
