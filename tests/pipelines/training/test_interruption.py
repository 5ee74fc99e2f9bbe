import re
import signal

import pytest

from pipelines import train
from pipelines.training.interruption import Interrupted, Interruption
from tests.pipelines import runs

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_is_remembered_until_the_loop_is_done(number):
    interruption = Interruption()
    interruption()
    interruption.receive(number)
    with pytest.raises(Interrupted, match=number.name) as raised:
        interruption()
    assert raised.value.exit_status == 128 + number


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_a_second_signal_ends_a_loop_that_runs_on_the_device(tmp_path, number):
    # A loop without end in sight: Python's own handlers would have to wait for it.
    flags = runs.copy_flags("STEPS = 10000000", "TrainSettings.steps_per_loop = 10000000")
    process = runs.start("pipelines.train", *flags, f"--model_dir={tmp_path}")
    runs.read_until(process, "parameters")
    process.send_signal(number)
    runs.read_until(process, f"{number.name}: stopping", process.stderr)
    process.send_signal(number)
    status, _, _ = runs.finish(process)
    assert status == 128 + number


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """Two long runs, each stopped after its first progress line: folder, status, output."""
    started = {}
    for number in NUMBERS:
        model_dir = tmp_path_factory.mktemp(number.name)
        flags = runs.copy_flags("STEPS = 1000000", "TrainSettings.steps_per_loop = 1")
        started[number] = (
            model_dir,
            runs.start("pipelines.train", *flags, f"--model_dir={model_dir}"),
        )
    ended = {}
    for number, (model_dir, process) in started.items():
        out = runs.read_until(process, "step 1/1000000")
        process.send_signal(number)
        status, rest, err = runs.finish(process)
        ended[number] = model_dir, status, out + rest, err
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_an_interrupted_run_saves_and_says_so(interrupted, number):
    model_dir, status, out, err = interrupted[number]
    assert status == 128 + number
    assert "Traceback" not in err
    step = int(re.search(rf"{number.name}: saved at step (\d+)", out)[1])
    last_line = re.findall(r"^step (\d+)/", out, re.MULTILINE)[-1]
    assert step == int(last_line)
    assert runs.saved_values(model_dir, step)["step/.ATTRIBUTES/VARIABLE_VALUE"] == step


@pytest.mark.slow
def test_an_evaluation_is_interrupted_between_two_batches(tmp_path):
    flags = runs.copy_flags("CopyTask.evaluation_examples = 10000000", "STEPS = 3")
    flags += [f"--model_dir={tmp_path}", "--mode=train_and_evaluate"]
    process = runs.start("pipelines.train", *flags)
    runs.read_until(process, "evaluating validation", process.stderr)
    process.send_signal(signal.SIGTERM)
    status, out, err = runs.finish(process)
    assert status == 128 + signal.SIGTERM
    assert "SIGTERM: saved at step 3" in out and "Traceback" not in err
    assert "evaluation of step" not in out


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_the_same_command_goes_on_to_the_end(interrupted, number, capsys):
    model_dir, _, out, _ = interrupted[number]
    step = int(re.search(r"saved at step (\d+)", out)[1])
    flags = runs.copy_flags(f"STEPS = {step + 2}", "TrainSettings.steps_per_loop = 1")
    assert runs.call(train.main, *flags, f"--model_dir={model_dir}") == 0
    out = capsys.readouterr().out
    assert f"step {step} of {step + 2}" in out
    assert re.findall(r"^step (\d+)/", out, re.MULTILINE) == [str(step + 1), str(step + 2)]
    assert runs.saved_values(model_dir, step + 2)["step/.ATTRIBUTES/VARIABLE_VALUE"] == step + 2
