"""Commands in other environments, and what they say."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from pipelines.errors import RunError, UserError

_SAYS_AFTER = 15.0  # seconds, and again after as many
# What libtpu says on a machine without a TPU, which is as it should be.
_NOISE = re.compile(
    r"host bounds for accelerator|InitGoogle|common_lib|Source Location Trace|^learning/|^$"
)


def call(command, what, **variables):
    """Runs a command and says every few seconds that it still does.

    Args:
        command: list of str.
        what: str, what it does.
        **variables: of the environment, besides this process' own.

    Returns:
        str: its standard output.

    Raises:
        UserError, RunError: the line with which it refused.
    """
    # No TPU is looked for.
    environment = {**os.environ, "TPU_SKIP_MDS_QUERY": "1", **variables}
    begin = said = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, stdout=out, stderr=errors, env=environment) as process:
            try:
                while process.poll() is None:
                    time.sleep(0.1)
                    if time.monotonic() - said >= _SAYS_AFTER:
                        said = time.monotonic()
                        print(f"{what}: {said - begin:.0f} s", file=sys.stderr)
            finally:
                process.kill()
        for file in (out, errors):
            file.seek(0)
        if process.returncode == 0:
            return out.read()
        lines = [line for line in errors.read().splitlines() if not _NOISE.search(line)]
    refusal = next((line for line in lines if line.startswith("error: ")), None)
    if refusal is None and process.returncode < 0:
        # The compiler's own checks end its process; its stack tells nobody here anything.
        reasons = [match[0] for line in lines if (match := re.search(r"Check failed: .*", line))]
        reason = reasons[0] if reasons else signal.Signals(-process.returncode).name
        raise RunError(f"{what} broke off: {reason}")
    if refusal is None:
        print("\n".join(lines), file=sys.stderr)
        raise RunError(f"{what} ended with status {process.returncode}")
    kind = UserError if process.returncode == 2 else RunError
    raise kind(refusal.removeprefix("error: "))
