"""What goes wrong on purpose: the same each time, however many requests come at once."""

import collections
import dataclasses
import hashlib
import threading


@dataclasses.dataclass
class Faults:
    """Chooses what happens to a request from the seed, the path and how often it came.

    The fractions are of requests of the kinds named; they add up to 1 at most.

    Attributes:
        seed: int.
        unavailable: float. Fraction that is answered with status 503.
        too_many: float. Fraction that is answered with status 429.
        cut: float. Fraction whose connection ends in the middle of the body.
        short: float. Fraction that brings half the body, and says that this is all of it.
        slow: float. Fraction whose first byte comes late.
        delay: float. Seconds by which it is late.
        tries: int or None. Only so many first tries of a path are touched; None is all of them.
        kinds: kinds of requests that are touched.
        missing: names of objects that are listed but not found when they are asked for.
        broken_uploads: int. The first so many uploads answer 503 once, when their bytes come, and
            keep the first half of them.
    """

    seed: int = 0
    unavailable: float = 0.0
    too_many: float = 0.0
    cut: float = 0.0
    short: float = 0.0
    slow: float = 0.0
    delay: float = 0.05
    tries: int | None = None
    kinds: tuple = ("read",)
    missing: tuple = ()
    broken_uploads: int = 0

    def __post_init__(self):
        self._came = collections.Counter()
        self._lock = threading.Lock()

    def choose(self, kind, path):
        """What happens to a request: the name of a fraction, or None.

        Args:
            kind: str.
            path: str. What is asked for, the range of a read too.
        """
        if kind not in self.kinds:
            return None
        with self._lock:
            number = self._came[kind, path]
            self._came[kind, path] += 1
        if self.tries is not None and number >= self.tries:
            return None
        key = f"{self.seed} {kind} {path} {number}".encode()
        draw = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) / 2**64
        for name in ("unavailable", "too_many", "cut", "short", "slow"):
            draw -= getattr(self, name)
            if draw < 0:
                return name
        return None

    def breaks_upload(self):
        """Whether the bytes of an upload that come now are answered with 503."""
        with self._lock:
            self.broken_uploads -= 1
            return self.broken_uploads >= 0
