"""Every optimizer takes the same steps on two replicas as on one."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.pipelines import runs

pytestmark = pytest.mark.slow

WORKER = pathlib.Path(__file__).with_name("optimizers_worker.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, pipe = tmp_path_factory.mktemp("optimizers"), subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(runs.ROOT)}
    for name in ("one_device", "mirrored"):
        command = [sys.executable, str(WORKER), name, str(folder / f"{name}.npz")]
        process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe)
        status, _, err = runs.finish(process)
        assert status == 0, err
    return [dict(np.load(folder / f"{name}.npz")) for name in ("one_device", "mirrored")]


def test_variables_are_the_same_as_on_one_device(results):
    one, two = results
    assert len(one) == 6 * 3 and one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-6, atol=1e-7, err_msg=name)
