"""An export whose rows go past the context, as the Python model's do."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import UserError
from savedmodels import export, writer
from savedmodels.client import Client
from tests.pipelines import runs
from tests.savedmodels import exports
from tests.savedmodels.clients import failure
from tests.serving.stand_in import StandIn

CONTEXT, SLIDE, MOST = 20, 7, 50
ROWS = ([2, 40, 50, 60], [], [2, *range(30, 49)])
LIVELY = {"seed": (3, 4, 5), "temperature": (1.0, 5.0, 0.0), "top_p": (0.9, 1.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sliding")


@pytest.fixture(scope="module")
def exported(folder):
    flags = [f"--slide={SLIDE}", f"--max_new_tokens={MOST}"]
    model, path = exports.export_text(folder, *flags, context=CONTEXT)
    return model, tf.saved_model.load(str(path))


def request(rows=ROWS, **settings):
    token_ids, lengths = exports.padded(rows)
    return {"token_ids": token_ids, "lengths": lengths, **exports.sampling(len(rows), **settings)}


def test_rows_slide_as_in_python(exported):
    settings = LIVELY | {"max_new_tokens": (MOST,)}
    served = exports.ask(exported[1], "generate", **request(**settings))
    sampling = exports.sampling(3, **settings)
    exports.assert_generated(served, exported[0], ROWS, sampling, slide=SLIDE)
    # Two slides at the least: one at 21 events and one at 28.
    assert (served["lengths"] > CONTEXT + SLIDE + 1).sum() >= 2


def test_text_slides_too(exported):
    texts = ["größe", "", "x" * (CONTEXT - 1)]
    settings = exports.sampling(3, max_new_tokens=(MOST,), temperature=(0.0,))
    served = exports.ask(exported[1], "generate_text", text=np.array(texts, object), **settings)
    rows = [[2, *(byte + 3 for byte in text.encode())] for text in texts]
    wanted = exports.generate(exported[0], rows, settings, slide=SLIDE)
    for row, prompt in enumerate(rows):
        new = wanted["token_ids"][row, len(prompt) : wanted["lengths"][row]]
        assert len(prompt) + len(new) > CONTEXT + SLIDE + 1
        text = bytes(int(token) - 3 for token in new if token >= 3).decode("utf-8", "replace")
        assert served["text"][row].decode() == text


def test_a_row_is_answered_alike_beside_longer_ones(exported):
    settings = LIVELY | {"max_new_tokens": (30, MOST, 9)}
    inputs = request(**settings)
    together = exports.ask(exported[1], "generate", **inputs)
    for row in range(3):
        alone = exports.ask(exported[1], "generate", **{k: v[[row]] for k, v in inputs.items()})
        width = alone["token_ids"].shape[1]
        np.testing.assert_array_equal(alone["token_ids"][0], together["token_ids"][row, :width])
        assert not together["token_ids"][row, width:].any()


@pytest.mark.parametrize(
    ("signature", "changed", "said"),
    [
        ("generate", {"max_new_tokens": [1, MOST + 1, 1]}, f"must not exceed {MOST}"),
        ("generate", {"max_new_tokens": [1, 2**31 - 1, 1]}, "max_new_tokens must not exceed"),
        ("generate", {"token_ids": [[5] * 21] * 3, "lengths": [21] * 3}, "the context of 20"),
        ("generate_text", {"max_new_tokens": [1, MOST + 1, 1]}, f"must not exceed {MOST}"),
        ("generate_text", {"text": ["a", "b", "x" * 20]}, "fewer than the context, which is 20"),
    ],
)
def test_a_request_has_limits_still(exported, signature, changed, said):
    inputs = request()
    if signature == "generate_text":
        inputs = {"text": np.array(["a"] * 3, object), **exports.sampling(3)}
    inputs |= {name: np.asarray(value, inputs[name].dtype) for name, value in changed.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        exports.ask(exported[1], signature, **inputs)


def test_the_warm_up_slides(exported, folder):
    longest = dict.fromkeys(("generate", "generate_text"), 0)
    for name, inputs in exports.warmup_requests(folder / "exported" / "1"):
        exports.ask(exported[1], name, **inputs)
        if name in longest:
            lengths = inputs.get("lengths", [1 + len(text) for text in inputs.get("text", ())])
            longest[name] = max(longest[name], *(lengths + inputs["max_new_tokens"]))
    assert min(longest.values()) > CONTEXT + 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--slide=0"], "must be an integer ≥ 1, got '0'"),
        (["--slide", "--max_new_tokens=0"], "must be an integer ≥ 1, got '0'"),
    ],
)
def test_flags_that_make_no_sense(exported, folder, capsys, flags, said):
    flags = [f"--model_dir={folder / 'run'}", f"--output={folder / 'wrong'}", *flags]
    assert said in runs.refusal(capsys, export.main, *flags)
    assert not (folder / "wrong").exists()


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (f"--slide={CONTEXT}", "error: --slide must be at most 19 for this model, whose context "),
        ("--max_new_tokens=9", "error: --max_new_tokens needs --slide"),
    ],
)
def test_flags_that_do_not_fit_the_model(exported, folder, capsys, flag, said):
    flags = [f"--model_dir={folder / 'run'}", f"--output={folder / 'wrong'}", flag]
    assert runs.refusal_after("loading step 7", capsys, export.main, *flags).startswith(said)
    assert not (folder / "wrong").exists()


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_stream_of_bytes_ends_where_the_context_is_full(exported, folder, protocol):
    arguments = {"max_new_tokens": 40, "temperature": 0.0}
    with (
        StandIn("books", {1: folder / "exported" / "1"}) as server,
        Client(server.targets()[protocol], "books") as client,
    ):
        (whole,) = client.generate_text("a", **arguments)["text"]
        pieces = client.generate_text_stream("a", **arguments, num_latents=4, tokens_at_a_time=5)
        said = []
        error = failure(lambda: said.extend(pieces))
    assert error.kind == "refused" and "lengths must not exceed the context of 20" in str(error)
    assert "".join(said) and whole.startswith("".join(said))


def test_a_document_of_fixed_length_does_not_slide(exported, tmp_path):
    table = np.zeros((9, 2), "int32")
    with pytest.raises(UserError, match="an image ends where it is full"):
        writer.write_version(exported[0], str(tmp_path), None, positions=table, slide="half")


@pytest.mark.slow
def test_half_of_the_context_leaves_and_the_context_is_the_limit(tmp_path):
    model, path = exports.export_copy(tmp_path, "--slide")
    loaded = tf.saved_model.load(str(path))
    settings = {"temperature": (0.0,), "max_new_tokens": (20,)}
    served = exports.ask(loaded, "generate", **request(**settings))
    exports.assert_generated(served, model, ROWS, exports.sampling(3, **settings), slide="half")
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_new_tokens must not exceed 20"):
        exports.ask(loaded, "generate", **request(max_new_tokens=(21,)))
