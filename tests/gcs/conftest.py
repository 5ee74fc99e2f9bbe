"""Buckets for tests: one server for all of them, and a bucket of its own for each."""

import pytest

from tests.gcs import separate


@pytest.fixture(scope="session")
def session_storage():
    with separate.serve() as storage:
        yield storage


@pytest.fixture
def storage(session_storage, monkeypatch):
    """The stand-in for Cloud Storage, without faults; `gs://` paths of this process lead to it."""
    for name, value in session_storage.get_environment().items():
        monkeypatch.setenv(name, value)
    yield session_storage
    session_storage.set_faults()
    session_storage.set_page_size(1000)


@pytest.fixture
def bucket(storage):
    """Name of an empty bucket that no other test knows."""
    bucket = storage.fresh_bucket()
    storage.take_counts()
    return bucket
