import json
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from pipelines.benchmark import __main__ as benchmark
from pipelines.benchmark import hlo, tensorflow_backend
from pipelines.benchmark.workload import MODELS, Workload

SMALL = {"context": 24, "latents": 8, "layers": 1, "width": 16, "heads": 2, "batch": 2}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_pure_step_learns_as_the_step_does(model):
    # Without dropout: the two count their steps from different numbers.
    workload = Workload(model=model, dtype="float32", dropout=0.0, **SMALL)
    keras.utils.set_random_seed(0)
    step = tensorflow_backend.TrainStep(workload, jit=False)
    expected = [step.wait(step.run()) for _ in range(3)]
    keras.utils.set_random_seed(0)
    pure = hlo.PureTrainStep(workload)
    inputs, labels = workload.make_batch()
    function, state, losses = tf.function(pure, autograph=False), pure.state, []
    for _ in range(3):
        loss, *state = function(*state, inputs["token_ids"], labels)
        losses.append(float(loss))
    assert losses == pytest.approx(expected, rel=1e-6)
    assert expected[2] < expected[0]


@pytest.mark.slow
def test_another_xla_runs_what_was_written(shared, tmp_path, capsys):
    file = tmp_path / "step.hlo.pb"
    sizes = [f"--{name}={value}" for name, value in SMALL.items()]
    assert benchmark.main(["export_hlo", *sizes, f"--output={file}"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["bytes"] == file.stat().st_size
    command = [sys.executable, str(shared / "tools" / "run_hlo.py"), str(file), "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "median" in done.stdout
