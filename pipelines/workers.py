"""The processes of a run that several machines share: who they are, and whether they are there.

TensorFlow would wait for a worker that never comes without end and without a word, and would share
a port with a process that has it already.
"""

import contextlib
import dataclasses
import json
import os
import socket
import sys
import time

from pipelines.errors import RunError, UserError

VARIABLE = "TF_CONFIG"
_LIKE = (
    'it must look like {"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}, the same on every worker but for its index'
)
_BETWEEN_LOOKS = 0.25  # seconds


@dataclasses.dataclass(frozen=True)
class Workers:
    """Where the workers of a run listen, and which of them this process is.

    Args:
        addresses: tuple of str, "host:port". The first one is the chief's.
        index: int. Of this process.
        num_chiefs: int. How many of them, 1 or 0, are no worker to TensorFlow but a chief.
    """

    addresses: tuple
    index: int
    num_chiefs: int = 0

    @classmethod
    def from_environment(cls):
        """As `TF_CONFIG` says, which is also what TensorFlow reads.

        Raises:
            UserError: it is not there or says something else.
        """
        text = os.environ.get(VARIABLE, "")
        if not text:
            raise UserError(
                f"Distribution.strategy 'multi_worker_mirrored' needs {VARIABLE} in the "
                f"environment: {_LIKE} (one process alone: Distribution.strategy = 'one_device')"
            )
        try:
            config = json.loads(text)
            cluster, task = dict(config["cluster"]), config["task"]
            chiefs, rest = cluster.pop("chief", []), cluster.pop("worker", [])
            kind, index = task["type"], int(task["index"])
        except (ValueError, KeyError, TypeError) as error:
            raise _malformed(f"is {text!r:.200}") from error
        if cluster:
            raise _malformed(f"names {sorted(cluster)}, where only workers and a chief have a part")
        for addresses in (chiefs, rest):
            if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
                raise _malformed(f"has {addresses!r:.200} for a list of host:port")
        if len(chiefs) > 1:
            raise _malformed(f"names more than one chief, {chiefs!r:.200}")
        if len(set(chiefs + rest)) != len(chiefs + rest):
            raise _malformed(f"names an address twice in {chiefs + rest!r:.200}")
        of_kind = {"chief": chiefs[:1], "worker": rest}.get(kind, [])
        if not 0 <= index < len(of_kind):
            raise _malformed(f"says that this is {kind} {index} of {len(of_kind)}")
        before = len(chiefs) if kind == "worker" else 0
        return cls((*chiefs, *rest), before + index, len(chiefs))

    def meet(self, seconds, said_every=10.0):
        """Waits until every other worker listens, as this one does meanwhile.

        Args:
            seconds: float. How long to wait.
            said_every: float. Seconds between two lines that say for whom.

        Raises:
            UserError: this worker's port is taken.
            RunError: somebody did not come.
        """
        missing = [address for n, address in enumerate(self.addresses) if n != self.index]
        end = time.monotonic() + seconds
        # Not a word of those that come at once.
        said = time.monotonic() - said_every + min(said_every, 1.0)
        with self._listening():
            while missing := [address for address in missing if not _answers(address)]:
                now = time.monotonic()
                names = ", ".join(self.name(address) for address in missing)
                if now > end:
                    raise RunError(f"{names} did not come in {seconds:g} s: start all workers")
                if now > said + said_every:
                    said = now
                    print(f"waiting for {names}", file=sys.stderr, flush=True)
                time.sleep(_BETWEEN_LOOKS)

    def address_of(self, kind, index):
        """Of a task as TensorFlow numbers it, or None: a chief stands before the workers."""
        place = index + (self.num_chiefs if kind == "worker" else 0)
        return self.addresses[place] if place < len(self.addresses) else None

    def name(self, address):
        """What a person calls a worker: its number and address."""
        return f"worker {self.addresses.index(address)} ({address})"

    @contextlib.contextmanager
    def _listening(self):
        address = self.addresses[self.index]
        port = int(address.rsplit(":", 1)[1])
        with socket.socket() as listener:
            # A port that only waits for its last packets may be had; one that listens may not.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("", port))
                listener.listen()
            except OSError as error:
                raise UserError(
                    f"port {port} of {self.name(address)} cannot be had ({error.strerror}): is "
                    f"this worker running already? {VARIABLE} must give each its own index"
                ) from error
            yield


def _malformed(what):
    return UserError(f"{VARIABLE} {what}: {_LIKE}")


def _is_address(address):
    host, _, port = str(address).rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def _answers(address):
    host, port = address.rsplit(":", 1)
    with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), port), 2.0):
        return True
    return False
