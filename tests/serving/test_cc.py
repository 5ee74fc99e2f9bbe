"""Every signature answers C++ as it answers Python: the call that TF Serving's CPU path ends in."""

import numpy as np
import pytest
import tensorflow as tf

from savedmodels import sampling_inputs
from tests.savedmodels import exports
from tests.serving import cc_program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(cc_program.compiler() is None, reason="needs g++, which is not installed"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return cc_program.build(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def text_export(tmp_path_factory):
    _, path = exports.export_text(tmp_path_factory.mktemp("text"))
    return path


@pytest.fixture(scope="module")
def pieces_export(tmp_path_factory):
    *_, path = exports.export_pieces(tmp_path_factory.mktemp("pieces"))
    return path


def python_cases(path):
    """The version's own warm-up requests, and what Python answers to them."""
    loaded = tf.saved_model.load(str(path))
    for signature, inputs in exports.warmup_requests(path):
        answer = loaded.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
        yield signature, inputs, {name: value.numpy() for name, value in answer.items()}


@pytest.fixture(scope="module")
def stepwise_export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stepwise")
    return exports.export_copy(folder, "--stepwise", "--weights=bfloat16")[1]


@pytest.fixture(scope="module")
def further_export(tmp_path_factory):
    flags = ["--sampling", *sampling_inputs.OPTIONAL, "--slide"]
    return exports.export_copy(tmp_path_factory.mktemp("further"), *flags)[1]


@pytest.mark.parametrize(
    "export",
    [
        "text_export",
        pytest.param("pieces_export", marks=pytest.mark.long),
        pytest.param("stepwise_export", marks=pytest.mark.long),
        pytest.param("further_export", marks=pytest.mark.long),
    ],
)
def test_cc_answers_as_python_does(program, export, tmp_path, request):
    path = request.getfixturevalue(export)
    cases = list(python_cases(path))
    cc_program.write_cases(tmp_path / "cases", cases)
    libraries = [cc_program.ops_of_text()] if export == "pieces_export" else []
    status, out, err = cc_program.run(program, path, tmp_path / "cases", libraries)
    assert status == 0, out + err
    lines = [line.split() for line in out.splitlines()]
    assert [line[:2] for line in lines] == [
        [signature, name] for signature, _, outputs in cases for name in outputs
    ]
    assert {signature for signature, *_ in lines} == set(tf.saved_model.load(str(path)).signatures)
    assert {line[2] for line in lines} == {"equal"}
    print(f"largest difference {max(float(line[3]) for line in lines)}")


@pytest.mark.parametrize("name", ["token_ids", "log_probs"])
def test_a_difference_is_seen(program, text_export, tmp_path, name):
    case = next(case for case in python_cases(text_export) if case[0] == "generate")
    changed = np.array(case[2][name])
    changed[0, -1] += 1
    cc_program.write_cases(tmp_path / "cases", [(*case[:2], {**case[2], name: changed})])
    status, out, _ = cc_program.run(program, text_export, tmp_path / "cases")
    assert status == 1 and f"generate {name} differs" in out


def test_what_is_no_version_is_said(program, tmp_path):
    status, _, err = cc_program.run(program, tmp_path, tmp_path / "cases")
    assert status == 1 and "Could not find SavedModel" in err
