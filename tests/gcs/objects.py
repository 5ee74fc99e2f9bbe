"""The buckets of the stand-in for Cloud Storage: objects in memory, and what is done to them."""

import dataclasses
import datetime
import itertools
import mmap
import pathlib
import threading

PAGE_SIZE = 1000  # as many names as Cloud Storage puts on a page of a list


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """One version of an object. Another write is another version with a higher generation."""

    data: bytes | mmap.mmap
    generation: int
    updated: str

    @property
    def size(self):
        return len(self.data)


@dataclasses.dataclass
class Upload:
    """A resumable upload that is under way; the object appears when it is complete."""

    bucket: str
    name: str
    received: bytearray = dataclasses.field(default_factory=bytearray)


class Objects:
    """Buckets of objects. Every method may be called by many threads at a time.

    Each method that is handed a bucket or an object that is not there raises `KeyError`.
    """

    def __init__(self, page_size=PAGE_SIZE):
        self.page_size = page_size
        self._buckets = {}
        self._uploads = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def make_bucket(self, bucket):
        with self._lock:
            self._buckets.setdefault(bucket, {})

    def has_bucket(self, bucket):
        return bucket in self._buckets

    def load_folder(self, bucket, folder):
        """Takes over the files of a local folder. They are mapped, not read, and never written."""
        self.make_bucket(bucket)
        folder = pathlib.Path(folder)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(bucket, path.relative_to(folder).as_posix(), _map(path))

    def put(self, bucket, name, data, only_if_new=False):
        """Stores an object; returns it, or None if it was to be new and is not."""
        with self._lock:
            objects = self._buckets[bucket]
            if only_if_new and name in objects:
                return None
            now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
            objects[name] = StoredObject(data, next(self._numbers), now)
            return objects[name]

    def get(self, bucket, name):
        return self._buckets[bucket][name]

    def delete(self, bucket, name):
        with self._lock:
            del self._buckets[bucket][name]

    def names(self, bucket):
        """All names of a bucket, sorted."""
        with self._lock:
            return sorted(self._buckets[bucket])

    def copy(self, bucket, name, to_bucket, to_name):
        return self.put(to_bucket, to_name, self.get(bucket, name).data)

    def list(self, bucket, prefix="", delimiter="", after="", limit=None):
        """One page of a list.

        Args:
            bucket: str.
            prefix: str. Names begin with it.
            delimiter: str. What follows its first occurrence after the prefix is folded away.
            after: str. The page begins after this name: the token of the page before.
            limit: int or None. Most names on the page.

        Returns:
            names, folded prefixes, and the token of the next page, or None.
        """
        limit = min(limit or self.page_size, self.page_size)
        names, prefixes, last = [], [], None
        for name in self.names(bucket):
            if not name.startswith(prefix):
                continue
            end = name.find(delimiter, len(prefix)) if delimiter else -1
            folded = name[: end + len(delimiter)] if end >= 0 else name
            if folded <= after or (prefixes and folded == prefixes[-1]):
                continue
            if len(names) + len(prefixes) == limit:
                return names, prefixes, last
            (names if end < 0 else prefixes).append(folded)
            last = folded
        return names, prefixes, None

    def begin_upload(self, bucket, name):
        """Returns the id of a new upload."""
        with self._lock:
            self._buckets[bucket]  # an unknown one is refused here
            upload_id = str(next(self._numbers))
            self._uploads[upload_id] = Upload(bucket, name)
            return upload_id

    def received(self, upload_id):
        """Bytes of an upload that are here."""
        return len(self._uploads[upload_id].received)

    def add_to_upload(self, upload_id, start, data):
        """Takes the bytes of an upload from `start` on; what was here already stays as it is."""
        received = self._uploads[upload_id].received
        if start > len(received):
            raise ValueError(f"bytes from {start} on follow after {len(received)} bytes")
        received += memoryview(data)[len(received) - start :]

    def finish_upload(self, upload_id):
        """The object is there from now on."""
        upload = self._uploads[upload_id]
        return self.put(upload.bucket, upload.name, bytes(upload.received))


def _map(path):
    if path.stat().st_size == 0:  # there is nothing to map
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
