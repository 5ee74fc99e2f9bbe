import numpy as np
import pytest

from pipelines import remote
from pipelines.data.corpus import Corpus
from pipelines.errors import UserError
from tests.pipelines import runs


@pytest.fixture
def books(storage, bucket, tmp_path):
    """A local folder of books, and its copy in a bucket."""
    folder = runs.write_books(tmp_path / "books")
    for path in sorted(folder.rglob("*.txt")):
        storage.put(bucket, f"books/{path.relative_to(folder)}", path.read_bytes())
    storage.take_counts()
    return folder, f"gs://{bucket}/books"


def assert_same(local, remote):
    np.testing.assert_array_equal(local.data, remote.data)
    np.testing.assert_array_equal(local.offsets, remote.offsets)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_corpus_in_a_bucket_is_that_of_the_folder(books, split):
    local, remote = (Corpus.load(place, split) for place in books)
    assert_same(local, remote)
    assert remote.names == tuple(f"{books[1]}/{split}/{n}.txt" for n in range(len(remote.names)))


@pytest.mark.parametrize("fault", ["unavailable", "too_many", "cut", "short"])
def test_faults_change_nothing(storage, books, fault):
    storage.set_faults(**{fault: 1.0}, tries=1)
    local, remote = (Corpus.load(place, "validation") for place in books)
    assert_same(local, remote)
    assert storage.take_counts()[fault] == remote.num_documents  # each of them once


def test_answers_that_stay_short_are_refused(storage, books, monkeypatch):
    monkeypatch.setattr(remote.read.retry, "wait", lambda state: 0)
    storage.set_faults(short=1.0)
    with pytest.raises(UserError, match="gs://.*/0.txt"):
        Corpus.load(books[1], "train")


def test_a_missing_object_is_named(storage, books):
    storage.set_faults(missing=("books/test/1.txt",))
    with pytest.raises(UserError, match="cannot read 'gs://.*/books/test/1.txt'"):
        Corpus.load(books[1], "test")
