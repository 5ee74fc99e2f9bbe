"""Processes that are killed and go on, or that have other threads, read the same batches.

A few kills by default; `make test-kills` has twenty.
"""

import concurrent.futures
import os
import random
import signal

import pytest

from tests.pipelines import runs, shards
from tests.pipelines.data import read_batches

pytestmark = pytest.mark.slow

SIZES = (40, 300, 7, 120, 500, 61, 90, 33)
KILLS = int(os.environ.get("PERCEIVER_AR_KILLS", "4"))
BATCHES = 50  # that are compared after each
ENDLESS = 10**9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    shards.write_books(folder / "books", SIZES)
    shards.prepare(folder / "books", folder / "shards", shard_bytes=250)
    return folder / "shards"


def start(folder, *numbers):
    return runs.start("tests.pipelines.data.read_batches", folder, *numbers)


def read_lines(process, number):
    """So many lines of a process that runs on, parted into step and hash."""
    lines = [process.stdout.readline().decode().split() for _ in range(number)]
    assert all(len(line) == 2 for line in lines), process.communicate()
    return [(int(step), line) for step, line in lines]


def read_and_kill(folder, seed, host, hosts):
    """Steps at which a process was killed and another went on, and all that they printed."""
    draw, step, kills, read = random.Random(seed), 0, [], []
    while len(kills) <= KILLS // 2:  # the last one is not followed up
        process = start(folder, step, ENDLESS, host, hosts)
        read += read_lines(process, BATCHES + draw.randrange(40))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        step = read[-1][0] + 1
        kills.append(step)
    return kills[:-1], read


@pytest.mark.long
def test_killed_processes_go_on_with_the_same_batches(folder):
    # Two hosts at once, each killed half as often.
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        results = executor.map(read_and_kill, [folder] * 2, (0, 1), (0, 1), (2, 2))
    everything = []
    for host, (kills, read) in enumerate(results):
        assert len(kills) == len(set(kills)) == KILLS // 2
        steps, lines = zip(*read)
        assert list(steps) == list(range(len(read)))
        # One process that is not killed.
        wanted = list(read_batches.batches(folder, 0, len(read), host, 2))
        for step in kills:
            assert lines[step : step + BATCHES] == tuple(wanted[step : step + BATCHES]), step
        assert list(lines) == wanted
        everything += wanted
    assert len(set(everything)) == len(everything)  # so a hash tells the step and the host


@pytest.mark.parametrize(("intra", "inter", "pool"), [(1, 1, 1), (1, 8, 16), (8, 2, 3)])
def test_batches_do_not_follow_the_number_of_threads(folder, intra, inter, pool):
    wanted = list(read_batches.batches(folder, 7, 100))
    status, out, err = runs.finish(start(folder, 7, 100, 0, 1, intra, inter, pool))
    assert status == 0, err
    assert [line.split()[1] for line in out.splitlines()] == wanted
