"""What `generate` takes besides temperature and top_p, where an export says so."""

import numpy as np
import pytest
import tensorflow as tf

from keras_perceiver_ar.generation.sampler import OFF, RANGES
from pipelines.errors import UserError
from savedmodels import export, sampling_inputs
from tests.pipelines import runs
from tests.savedmodels import exports

ROWS = ([2, 40, 50, 60, 40, 50, 40], [2], [], [2, 258, 3, 17])
OFF_ROWS = {name: np.full(4, OFF[name], exports.FURTHER[name].dtype) for name in exports.FURTHER}
LIVELY = {"seed": (3, 4, 5, 6), "temperature": (1.0, 2.0, 5.0, 0.7), "top_p": (0.9, 1.0, 0.5)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("further")


@pytest.fixture(scope="module")
def exported(folder):
    """Model and loaded version of all the further inputs."""
    flags = ["--sampling", *reversed(sampling_inputs.OPTIONAL)]
    model, path = exports.export_text(folder, *flags)
    return model, tf.saved_model.load(str(path))


@pytest.fixture(scope="module")
def plain(exported, folder):
    """The same model without them."""
    flags = [f"--model_dir={folder / 'run'}", f"--output={folder / 'plain'}"]
    assert runs.call(export.main, *flags) == 0
    return tf.saved_model.load(str(folder / "plain" / "1"))


def request(**settings):
    token_ids, lengths = exports.padded(ROWS)
    sampling = exports.sampling(4, **{"max_new_tokens": (30,), **settings})
    return {"token_ids": token_ids, "lengths": lengths, **sampling}


def test_the_inputs_are_those_of_the_sampler():
    assert (
        set(sampling_inputs.OPTIONAL)
        == set(OFF) - {"top_p"}
        == set(RANGES)
        - {
            "temperature",
            "top_p",
        }
    )


def test_names_come_in_their_order_and_once():
    read = sampling_inputs.check_names
    assert read(["min_p", "top_k", "min_p"]) == ("top_k", "min_p") and read(()) == ()
    for wrong in ("top_p", "beam"):
        with pytest.raises(UserError, match=f"--sampling takes top_k, .* got '{wrong}'"):
            read(["top_k", wrong])


def test_generate_and_generate_text_have_them_and_score_has_not(exported):
    for name, function in exported[1].signatures.items():
        inputs = function.structured_input_signature[1]
        found = {key: inputs[key].dtype for key in exports.FURTHER if key in inputs}
        if name in ("generate", "generate_text"):
            wanted = {key: tf.as_dtype(value.dtype) for key, value in exports.FURTHER.items()}
            assert found == wanted
            assert {tuple(inputs[key].shape) for key in found} == {(None,)}
        else:
            assert not found


def test_they_do_what_they_do_in_python(exported):
    model, loaded = exported
    settings = exports.sampling(4, max_new_tokens=(30,), **LIVELY) | exports.FURTHER
    served = exports.ask(loaded, "generate", **request(**LIVELY), **exports.FURTHER)
    exports.assert_generated(served, model, ROWS, settings)
    without = exports.ask(loaded, "generate", **request(**LIVELY), **OFF_ROWS)
    assert (without["token_ids"] != served["token_ids"]).any(axis=1).all()  # in every row


@pytest.mark.parametrize("name", exports.FURTHER)
def test_each_of_them_acts_alone(exported, name):
    model, loaded = exported
    acting = {name: exports.FURTHER[name]}
    served = exports.ask(loaded, "generate", **request(**LIVELY), **(OFF_ROWS | acting))
    settings = exports.sampling(4, max_new_tokens=(30,), **LIVELY) | acting
    exports.assert_generated(served, model, ROWS, settings)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_off_they_change_no_bit(exported, plain, seed):
    settings = LIVELY | {"seed": range(seed, seed + 4)}
    wanted = exports.ask(plain, "generate", **request(**settings))
    found = exports.ask(exported[1], "generate", **request(**settings), **OFF_ROWS)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, name)
    text = {"text": np.array(exports.PROMPTS, object), **exports.sampling(4, **settings)}
    wanted = exports.ask(plain, "generate_text", **text)
    found = exports.ask(exported[1], "generate_text", **text, **OFF_ROWS)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, name)


def test_a_row_is_answered_alike_in_any_batch(exported):
    inputs = request(**LIVELY) | exports.FURTHER
    together = exports.ask(exported[1], "generate", **inputs)
    for split in ([0], [1, 2], [3], [2, 0]):
        part = exports.ask(exported[1], "generate", **{k: v[split] for k, v in inputs.items()})
        width = part["token_ids"].shape[1]
        np.testing.assert_array_equal(part["token_ids"], together["token_ids"][split][:, :width])
        np.testing.assert_array_equal(part["lengths"], together["lengths"][split])


def test_text_has_them_too(exported):
    text = {"text": np.array(exports.PROMPTS, object), **exports.sampling(4, **LIVELY)}
    served = exports.ask(exported[1], "generate_text", **text, **exports.FURTHER)
    rows = [[2, *(byte + 3 for byte in prompt.encode())] for prompt in exports.PROMPTS]
    settings = exports.sampling(4, **LIVELY) | exports.FURTHER
    wanted = exports.generate(exported[0], rows, settings)
    for row, prompt in enumerate(rows):
        new = wanted["token_ids"][row, len(prompt) : wanted["lengths"][row]]
        text = bytes(int(token) - 3 for token in new if token >= 3).decode("utf-8", "replace")
        assert served["text"][row].decode() == text


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("signature", ["generate", "generate_text"])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("top_k", -1, "top_k must be a finite number ≥ 0"),
        ("min_p", -0.1, "min_p must lie in 0 … 1"),
        ("min_p", 1.5, "min_p must lie in 0 … 1"),
        ("min_p", NAN, "min_p must lie in 0 … 1"),
        ("typical_p", 1.01, "typical_p must lie in 0 … 1"),
        ("typical_p", -INFINITY, "typical_p must lie in 0 … 1"),
        ("typical_p", NAN, "typical_p must lie in 0 … 1"),
        ("repetition_penalty", 0.0, "repetition_penalty must lie in 0.001 … 1000"),
        ("repetition_penalty", 1001.0, "repetition_penalty must lie in 0.001 … 1000"),
        ("repetition_penalty", INFINITY, "repetition_penalty must lie in 0.001 … 1000"),
        ("repetition_penalty", NAN, "repetition_penalty must lie in 0.001 … 1000"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(exported, signature, name, value, said):
    inputs = request()
    if signature == "generate_text":
        del inputs["token_ids"], inputs["lengths"]
        inputs |= {"text": np.array(exports.PROMPTS, object), "max_new_tokens": np.full(4, 2)}
    inputs |= OFF_ROWS
    inputs["max_new_tokens"] = inputs["max_new_tokens"].astype("int32")
    # In the third row of four.
    inputs[name] = np.where(np.arange(4) == 2, value, inputs[name]).astype(inputs[name].dtype)
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        exports.ask(exported[1], signature, **inputs)


@pytest.mark.parametrize("name", exports.FURTHER)
def test_the_ends_of_a_range_are_within(exported, name):
    for end in RANGES[name]:
        inputs = request() | OFF_ROWS | {name: np.full(4, end, exports.FURTHER[name].dtype)}
        assert (exports.ask(exported[1], "generate", **inputs)["lengths"] > 1).all()


@pytest.mark.parametrize("name", exports.FURTHER)
def test_it_is_one_number_for_each_row(exported, name):
    inputs = request() | OFF_ROWS
    inputs[name] = inputs[name][:2]
    said = f"{name} must hold one number for each row of token_ids"
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        exports.ask(exported[1], "generate", **inputs)


def test_the_command_refuses_other_names(folder, exported, capsys):
    flags = [f"--model_dir={folder / 'run'}", f"--output={folder / 'wrong'}"]
    line = runs.refusal(capsys, export.main, *flags, "--sampling", "top_k", "heat")
    assert "--sampling takes top_k, min_p, typical_p, repetition_penalty, got 'heat'" in line
    assert not (folder / "wrong").exists()


def test_every_warm_up_request_runs(exported, folder):
    requests = exports.warmup_requests(folder / "exported" / "1")
    found = [inputs for name, inputs in requests if name in ("generate", "generate_text")]
    assert found and all(exports.FURTHER.keys() <= inputs.keys() for inputs in found)
    for name, inputs in requests:
        exports.ask(exported[1], name, **inputs)
