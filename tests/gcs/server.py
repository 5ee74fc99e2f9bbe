"""A stand-in for Cloud Storage, so that `gs://` paths work where there is no network.

python -m tests.gcs.server --root DIR [--bucket NAME] [faults] -- COMMAND…

It serves a local folder as gs://bucket/, runs the command, and counts what it asked for. What the
command writes stays in memory: the folder is never touched.
"""

import argparse
import collections
import dataclasses
import http.server
import itertools
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading

import trustme

from tests.gcs.faults import Faults
from tests.gcs.handler import HOSTS, Handler
from tests.gcs.objects import Objects


class Server(http.server.ThreadingHTTPServer):
    """The stand-in, on a free port of this machine's own address; a context manager.

    TensorFlow's file system finds it through `environment`, which has to be set when a request is
    made. It is a proxy that answers for Google's hosts itself, with certificates of its own.

    It serves threads of other processes. In one process with TensorFlow it may wait for ever:
    `tf.io.TFRecordWriter` holds Python's lock while it waits for an answer. See `separate`.

    Attributes:
        objects: `Objects`.
        faults: `Faults`; may be exchanged at any time.
        counts: Counter. Requests and faults by kind, and "bytes_read" and "bytes_written".
        environment: dict of str. The variables that lead TensorFlow here.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, faults=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects = Objects()
        self.faults = faults or Faults()
        self.counts = collections.Counter()
        self._counting = threading.Lock()
        self._numbers = itertools.count(1)
        self._folder = tempfile.TemporaryDirectory()
        authority = trustme.CA()
        bundle = pathlib.Path(self._folder.name) / "authority.pem"
        authority.cert_pem.write_to_path(bundle)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*HOSTS).configure_cert(self.tls)
        proxy = f"http://127.0.0.1:{self.server_address[1]}"
        self.environment = {
            # curl prefers the small letters, and goes past the proxy to what is named in no_proxy.
            **{"https_proxy": proxy, "HTTPS_PROXY": proxy, "no_proxy": "", "NO_PROXY": ""},
            "CURL_CA_BUNDLE": str(bundle),
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "x",
            "NO_GCE_CHECK": "true",
        }

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self._thread.join()
        self.server_close()
        self._folder.cleanup()

    def fresh_bucket(self):
        """Makes a bucket that nobody has used; returns its name."""
        bucket = f"bucket-{next(self._numbers)}"
        self.objects.make_bucket(bucket)
        return bucket

    def put(self, bucket, name, data):
        """Stores an object behind TensorFlow's back."""
        self.objects.put(bucket, name, data)

    def read(self, bucket, name):
        """The bytes of an object, or None if it is not there."""
        try:
            return bytes(self.objects.get(bucket, name).data)
        except KeyError:
            return None

    def delete(self, bucket, name):
        self.objects.delete(bucket, name)

    def names(self, bucket):
        """All names of a bucket, sorted."""
        return self.objects.names(bucket)

    def set_page_size(self, names):
        """How many names come on one page of a list."""
        self.objects.page_size = names

    def set_faults(self, **faults):
        """From now on these, and no others: the arguments of `Faults`."""
        self.faults = Faults(**faults)

    def take_counts(self):
        """Dict of what was counted since this was called last."""
        with self._counting:
            counts, self.counts = dict(self.counts), collections.Counter()
        return counts

    def get_environment(self):
        return self.environment

    def count(self, name, amount=1):
        with self._counting:
            self.counts[name] += amount


def main(arguments=None):
    """Runs the command line; returns the exit status of the command it ran."""
    arguments = sys.argv[1:] if arguments is None else arguments
    split = arguments.index("--") if "--" in arguments else len(arguments)
    flags = argparse.ArgumentParser(prog="python -m tests.gcs.server", description=__doc__)
    flags.add_argument("--root", required=True, help="folder that is served")
    flags.add_argument("--bucket", default="bucket", help="its name: gs://NAME/")
    for field in dataclasses.fields(Faults):
        if field.type in (int, float):
            flags.add_argument(f"--{field.name}", type=field.type, default=field.default)
    flags = vars(flags.parse_args(arguments[:split]))
    root, bucket = flags.pop("root"), flags.pop("bucket")
    with Server(Faults(**flags)) as server:
        server.objects.load_folder(bucket, root)
        command = arguments[split + 1 :]
        status = subprocess.run(command, env={**os.environ, **server.environment}).returncode
        reads, read = server.counts["read"], server.counts["bytes_read"]
        ratio = {"reads_per_mib": round(reads * 2**20 / read, 3)} if read else {}
        print(json.dumps({**server.counts, **ratio}), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
