import inspect
import subprocess
import sys

import pytest

from keras_perceiver_ar.generation import Sampler
from pipelines import command_line, sampling_flags
from tests.pipelines import runs


def parse(*arguments, **options):
    flags = command_line.parser("test", "")
    sampling_flags.add(flags, **options)
    return flags.parse_args(arguments)


def test_what_is_not_given_is_what_the_help_says():
    flags = parse("--top_k=3", "--temperature=1")
    assert sampling_flags.given(flags) == ["temperature", "top_k"]
    assert sampling_flags.read(flags) == {
        "temperature": 1.0,
        "top_p": 0.95,
        "top_k": 3,
        "min_p": 0.0,
        "typical_p": 1.0,
        "repetition_penalty": 1.0,
        "seed": 0,
    }


def test_every_setting_of_a_sampler_has_its_flag():
    settings = set(inspect.signature(Sampler).parameters) - {"cut_before_temperature"}
    assert set(sampling_flags.SAMPLER) == settings
    Sampler(**sampling_flags.read(parse(), sampling_flags.SAMPLER))


def test_a_command_may_have_a_part_of_them(capsys):
    assert sampling_flags.read(parse("--seed=7", names=["seed"]), ["seed"]) == {"seed": 7}
    with pytest.raises(SystemExit):
        parse("--top_k=3", names=["seed"])
    with pytest.raises(SystemExit):
        parse("--help")
    assert "likeliest tokens; 0 is all (default: 0)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("module", ["pipelines.generate", "savedmodels.serving_client.command"])
def test_the_commands_that_have_them_begin_without_heavy_libraries(module):
    code = (
        f"import sys, {module}; print(sorted({{'tensorflow', 'keras', 'gin'}} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=runs.ROOT, capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
