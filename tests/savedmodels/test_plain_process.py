"""A process with TensorFlow alone answers as the Python model does."""

import json
import subprocess
import sys

import numpy as np
import pytest

from keras_perceiver_ar.codecs import byte_codec
from tests.savedmodels import exports

pytestmark = pytest.mark.slow

ROWS = ([2, 40, 50, 60, 70, 80, 90], [2], [2, 258, 3, 17])
# Greedy twice over, and two ways to draw.
SETTINGS = {"temperature": (0.0, 1.0, 0.7, 1.3), "top_p": (1.0, 0.9, 1.0, 0.0)}


@pytest.fixture(scope="module")
def text_export(tmp_path_factory):
    return exports.export_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def copy_export(tmp_path_factory):
    return exports.export_copy(tmp_path_factory.mktemp("copy"))


@pytest.mark.parametrize("signature", ["score", "serving_default"])
def test_score_is_that_of_the_model(copy_export, signature):
    model, path = copy_export
    token_ids, lengths = exports.padded(ROWS)
    inputs = {"token_ids": token_ids, "lengths": lengths}
    actual = exports.ask_plain(path, signature, **inputs)["log_probs"]
    expected = np.asarray(model.score(inputs))
    assert np.isnan(expected).tolist() == [
        [True] + [False] * 6,
        [True] * 7,
        [True] + [False] * 3 + [True] * 3,
    ]
    np.testing.assert_allclose(actual, expected, atol=1e-5)  # NaN must meet NaN


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"temperature": [-1.0]}, "error: temperature must be a finite number ≥ 0, got [-1]"),
        ({"top_p": None, "heat": [1]}, "generate also takes top_p (1 is off); does not take heat"),
    ],
)
def test_a_refusal_is_one_line(copy_export, changed, said):
    inputs = {"token_ids": [[2, 5]], "lengths": [2], **exports.sampling(1), **changed}
    given = {name: np.asarray(v).tolist() for name, v in inputs.items() if v is not None}
    command = [sys.executable, str(exports.SCRIPT), str(copy_export[1]), json.dumps(given)]
    answer = subprocess.run(command, cwd="/", capture_output=True, text=True)
    assert answer.returncode == 1 and said in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_generate_is_that_of_the_model(copy_export):
    model, path = copy_export
    rows = (*ROWS, [2, 5, 6])
    settings = exports.sampling(4, seed=(3, -4, 2**31 - 1, 0), max_new_tokens=(13,), **SETTINGS)
    token_ids, lengths = exports.padded(rows)
    actual = exports.ask_plain(path, "generate", token_ids=token_ids, lengths=lengths, **settings)
    exports.assert_generated(actual, model, rows, settings)


def test_generate_text_is_that_of_the_model(text_export):
    model, path = text_export
    settings = exports.sampling(4, seed=(3, 4, 5, 6), max_new_tokens=(20,), **SETTINGS)
    actual = exports.ask_plain(path, "generate_text", text=exports.PROMPTS, **settings)
    rows = [[byte_codec.SOS, *byte_codec.encode(text)] for text in exports.PROMPTS]
    expected = exports.generate(model, rows, settings)
    for row, prompt in enumerate(rows):
        start, end = len(prompt), expected["lengths"][row]
        new = expected["token_ids"][row, start:end]
        log_probs = expected["log_probs"][row, : end - start]
        assert actual["text"][row] == byte_codec.decode(new)
        assert actual["lengths"][row] == np.count_nonzero(new >= 3)  # bytes, as documented
        np.testing.assert_allclose(actual["log_probs"][row], log_probs.sum(), atol=1e-4)


def test_generate_text_of_pieces_is_that_of_the_model(tmp_path):
    task, model, path = exports.export_pieces(tmp_path)
    prompts = ("the whale", "", " größe 𝄞", "a")
    settings = exports.sampling(4, seed=(3, 4, 5, 6), max_new_tokens=(14,), **SETTINGS)
    actual = exports.ask_plain(path, "generate_text", text=prompts, **settings)
    rows = [task.encode(text) for text in prompts]
    expected = exports.generate(model, rows, settings)
    for row, prompt in enumerate(rows):
        start, end = len(prompt), expected["lengths"][row]
        everything = expected["token_ids"][row, :end]
        log_probs = expected["log_probs"][row, : end - start]
        assert prompts[row] + actual["text"][row] == task.decode(everything)
        assert actual["lengths"][row] == np.count_nonzero(everything[start:] >= 3)
        np.testing.assert_allclose(actual["log_probs"][row], log_probs.sum(), atol=1e-4)


def test_a_clients_own_greedy_loop_is_generate(tmp_path):
    _, path = exports.export_copy(tmp_path, "--stepwise")

    def ask(signature):
        def asked(**inputs):
            answer = exports.ask_plain(path, signature, **inputs)
            return {name: np.array(value) for name, value in answer.items()}

        return asked

    chosen = exports.choose_greedily(ask("prefill"), ask("decode"), ROWS, 4)
    token_ids, lengths = exports.padded(ROWS)
    settings = exports.sampling(3, temperature=(0.0,), max_new_tokens=(4,))
    wanted = ask("generate")(token_ids=token_ids, lengths=lengths, **settings)
    for row, (start, end) in enumerate(zip(lengths, wanted["lengths"])):
        assert end > start
        np.testing.assert_array_equal(
            chosen[row, : end - start], wanted["token_ids"][row, start:end]
        )


def test_rounded_weights_answer_as_the_model_of_these_weights(tmp_path):
    model, path = exports.export_copy(tmp_path, "--weights=bfloat16")
    for variable in model.variables:
        if len(variable.shape) >= 2:
            variable.assign(np.asarray(variable).astype("bfloat16").astype("float32"))
    token_ids, lengths = exports.padded(ROWS)
    inputs = {"token_ids": token_ids, "lengths": lengths}
    actual = exports.ask_plain(path, "score", **inputs)["log_probs"]
    np.testing.assert_allclose(actual, np.asarray(model.score(inputs)), atol=1e-5)
    settings = exports.sampling(3, seed=(3, 4, 5), max_new_tokens=(13,))
    actual = exports.ask_plain(path, "generate", **inputs, **settings)
    expected = exports.generate(model, ROWS, settings)
    np.testing.assert_array_equal(actual["token_ids"], expected["token_ids"])
