"""What the signatures take, refuse and promise; in this process, because a start costs seconds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_perceiver_ar as kpar
from savedmodels import signatures
from tests.savedmodels import exports

ROWS = ([2, 40, 50, 60, 70, 80, 90], [2], [2, 258, 3, 17])


ask = exports.ask


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return exports.export_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def text_model(exported):
    return tf.saved_model.load(str(exported[1]))


def request(rows=ROWS, **settings):
    token_ids, lengths = exports.padded(rows)
    return {"token_ids": token_ids, "lengths": lengths, **exports.sampling(len(rows), **settings)}


TOKENS = {"token_ids": ((None, None), tf.int32), "lengths": ((None,), tf.int32)}
SAMPLING = {
    "max_new_tokens": ((None,), tf.int32),
    "seed": ((None,), tf.int32),
    "temperature": ((None,), tf.float32),
    "top_p": ((None,), tf.float32),
}
SCORES = {"log_probs": ((None, None), tf.float32)}
SIGNATURES = {
    "serving_default": (TOKENS, SCORES),
    "score": (TOKENS, SCORES),
    "generate": (TOKENS | SAMPLING, TOKENS | SCORES),
    "generate_text": (
        {"text": ((None,), tf.string)} | SAMPLING,
        {
            "text": ((None,), tf.string),
            "lengths": ((None,), tf.int32),
            "log_probs": ((None,), tf.float32),
        },
    ),
}


def test_signatures_have_the_names_types_and_shapes_of_the_documentation(text_model):
    assert sorted(text_model.signatures) == sorted(SIGNATURES)
    for name, (inputs, outputs) in SIGNATURES.items():
        function = text_model.signatures[name]
        taken = function.structured_input_signature[1]
        assert {k: (tuple(v.shape), v.dtype) for k, v in taken.items()} == inputs, name
        given = function.structured_outputs
        assert {k: v.dtype for k, v in given.items()} == {k: v[1] for k, v in outputs.items()}
        # A rank that got lost on the way says nothing wrong; a known one has to be right.
        for key, value in given.items():
            assert value.shape.rank in (None, len(outputs[key][0])), (name, key)


def test_every_row_has_a_limit_of_its_own(text_model):
    everything = ask(text_model, "generate", **request(max_new_tokens=(9,)))
    limits = (9, 4, 0)
    actual = ask(text_model, "generate", **request(max_new_tokens=limits))
    for row, (prompt, limit) in enumerate(zip(ROWS, limits)):
        end = min(len(prompt) + limit, everything["lengths"][row])
        assert actual["lengths"][row] == end
        expected = everything["token_ids"][row, :end]
        np.testing.assert_array_equal(actual["token_ids"][row, :end], expected)
        assert not actual["token_ids"][row, end:].any()


def test_padding_is_not_read(text_model):
    clean = request()
    dirty = request()
    dirty["token_ids"] = np.pad(dirty["token_ids"], ((0, 0), (0, 50)))
    dirty["token_ids"][np.arange(57) >= dirty["lengths"][:, None]] = 99
    expected, actual = ask(text_model, "generate", **clean), ask(text_model, "generate", **dirty)
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name], name)


@pytest.mark.parametrize("width", [7, 8, 40])
def test_score_takes_every_width(text_model, width):
    token_ids, lengths = exports.padded(ROWS)
    expected = ask(text_model, "score", token_ids=token_ids, lengths=lengths)["log_probs"]
    wide = np.pad(token_ids, ((0, 0), (0, width - 7)))
    actual = ask(text_model, "score", token_ids=wide, lengths=lengths)["log_probs"]
    np.testing.assert_allclose(actual[:, :7], expected, atol=1e-5)
    assert np.isnan(actual[:, 7:]).all()


def test_a_row_is_answered_alike_in_any_batch(text_model):
    settings = {"seed": (5, 6, 7, 8), "temperature": (1.0, 0.0, 2.0, 1.0), "top_p": (0.9, 1.0)}
    inputs = {"text": np.array(exports.PROMPTS, object), **exports.sampling(4, **settings)}
    together = ask(text_model, "generate_text", **inputs)
    for split in ([0], [1, 2], [3], [2, 0]):
        part = ask(text_model, "generate_text", **{k: v[split] for k, v in inputs.items()})
        np.testing.assert_array_equal(part["text"], together["text"][split])
        np.testing.assert_array_equal(part["lengths"], together["lengths"][split])
        np.testing.assert_allclose(part["log_probs"], together["log_probs"][split], atol=1e-4)


def test_the_seed_decides_and_nothing_else(text_model):
    inputs = {"text": np.array(["a"] * 3, object)}
    answers = [
        ask(text_model, "generate_text", **inputs, **exports.sampling(3, seed=seeds))["text"]
        for seeds in ((1, 2, 1), (1, 2, 1))
    ]
    np.testing.assert_array_equal(*answers)
    first, second, third = answers[0]
    assert first == third != second


@pytest.mark.parametrize("temperature", [1.0, 50.0])
def test_text_is_always_utf8_and_no_longer_than_asked(text_model, temperature):
    settings = exports.sampling(
        16, seed=range(16), max_new_tokens=(30,), temperature=[temperature], top_p=[1.0]
    )
    answer = ask(text_model, "generate_text", text=["größe 𝄞"[:-1]] * 16, **settings)
    for text, length in zip(answer["text"], answer["lengths"]):
        text.decode("utf-8")
        assert 0 <= length <= 30


def test_the_length_of_a_text_is_its_bytes_without_the_end(text_model):
    settings = exports.sampling(
        16, seed=range(16), max_new_tokens=(30,), temperature=[50.0], top_p=[1.0]
    )
    prompt = [2, *(byte + 3 for byte in b"abc")]
    written = ask(
        text_model, "generate", token_ids=[prompt] * 16, lengths=[len(prompt)] * 16, **settings
    )["token_ids"][:, len(prompt) :]
    assert (written == 1).any()  # a document that ends, and one that does not
    assert (written != 1).all(axis=1).any()
    answer = ask(text_model, "generate_text", text=["abc"] * 16, **settings)
    np.testing.assert_array_equal(answer["lengths"], (written > 2).sum(axis=1))


@pytest.mark.parametrize("rows", [([], [2, 40], []), ([], []), ([],)])
def test_a_row_of_nothing_begins_with_sos(exported, text_model, rows):
    settings = exports.sampling(len(rows), seed=(3, 4, 5), max_new_tokens=(12,))
    token_ids, lengths = exports.padded(rows)
    inputs = {"lengths": lengths, **settings}
    actual = ask(text_model, "generate", token_ids=token_ids, **inputs)
    exports.assert_generated(actual, exported[0], rows, settings)
    assert actual["token_ids"][0, 0] == 2 and actual["lengths"][0] > 1
    # What lies in the place of SOS is padding like any other.
    token_ids = np.where(lengths[:, None] > 0, np.pad(token_ids, ((0, 0), (0, 3))), 77)
    for name, value in ask(text_model, "generate", token_ids=token_ids, **inputs).items():
        np.testing.assert_array_equal(value, actual[name], name)


def test_a_row_of_nothing_has_room_for_the_context(text_model):
    inputs = request([[]], max_new_tokens=(40,), temperature=(0.0,))
    answer = ask(text_model, "generate", **inputs)
    assert answer["token_ids"].shape == (1, 41) and answer["lengths"] == 41
    inputs = request([[]], max_new_tokens=(0,))
    assert ask(text_model, "generate", **inputs)["token_ids"].tolist() == [[2]]


REFUSED_TOKENS = [
    ({"lengths": [8, 1, 4]}, "and the width of token_ids"),
    ({"lengths": [-1, 1, 4]}, "and the width of token_ids"),
    ({"token_ids": np.full((3, 7), 259)}, "token_ids must lie in 0 … 258"),
    ({"token_ids": np.full((3, 7), -1)}, "token_ids must lie in 0 … 258"),
    ({"token_ids": np.full((2, 7), 5)}, "lengths must hold one number for each row of token_ids"),
    ({"token_ids": np.full((0, 7), 5)}, "token_ids must hold at least one row"),
]
NOT_ONE_A_ROW = [
    ({name: [1, 1]}, f"{name} must hold one number for each row of")
    for name in ("max_new_tokens", "seed", "temperature", "top_p")
]
REFUSED_SAMPLING = [
    *NOT_ONE_A_ROW,
    ({"max_new_tokens": [8, -1, 8]}, "max_new_tokens must not be negative"),
    ({"temperature": [1.0, -0.5, 1.0]}, "temperature must be"),
    ({"temperature": [1.0, np.nan, 1.0]}, "temperature must be"),
    ({"temperature": [1.0, np.inf, 1.0]}, "temperature must be"),
    ({"top_p": [1.0, 1.5, 1.0]}, "top_p must lie in 0 … 1"),
    ({"top_p": [1.0, -0.1, 1.0]}, "top_p must lie in 0 … 1"),
    ({"top_p": [1.0, np.nan, 1.0]}, "top_p must lie in 0 … 1"),
]


def refused(loaded, signature, inputs, changed, named):
    dtypes = {name: np.asarray(value).dtype for name, value in inputs.items()}
    changed = {name: np.asarray(value, dtypes[name]) for name, value in changed.items()}
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        ask(loaded, signature, **(inputs | changed))
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("changed", "named"),
    [*REFUSED_TOKENS, ({"lengths": [0, 1, 4]}, "lengths must lie between 1 and the width")],
)
def test_score_refuses_by_name(text_model, changed, named):
    token_ids, lengths = exports.padded(ROWS)
    refused(text_model, "score", {"token_ids": token_ids, "lengths": lengths}, changed, named)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        *REFUSED_TOKENS,
        *REFUSED_SAMPLING,
        ({"lengths": [-1, 1, 4]}, "lengths must lie between 0 and the width"),
        ({"max_new_tokens": [35, 1, 1]}, "lengths + max_new_tokens must not exceed the context"),
        ({"lengths": [0, 1, 4], "max_new_tokens": [41, 1, 1]}, "a row of none begins with SOS"),
        ({"max_new_tokens": [2**31 - 1, 1, 1]}, "lengths + max_new_tokens must not exceed"),
    ],
)
def test_generate_refuses_by_name(text_model, changed, named):
    refused(text_model, "generate", request(), changed, named)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        *REFUSED_SAMPLING,
        ({"text": []}, "text must hold at least one row"),
        ({"text": ["x" * 33, "a", "b"]}, "the bytes of text must be fewer than the context"),
        # 17 characters, 34 bytes, and 8 more in a context of 40.
        ({"text": ["ö" * 17, "a", "b"]}, "not exceed it, which is 40"),
        ({"text": ["x" * 40, "a", "b"], "max_new_tokens": [0] * 3}, "must be fewer than"),
    ],
)
def test_generate_text_refuses_by_name(text_model, changed, named):
    inputs = {"text": np.array(["a", "b", "c"], object), **exports.sampling(3)}
    refused(text_model, "generate_text", inputs, changed, named)


def test_the_last_token_follows_a_full_context(text_model):
    settings = exports.sampling(2, max_new_tokens=(34, 1), temperature=(0.0,))
    rows = [[2, *range(40, 46)], [2, *range(40, 79)]]
    token_ids, lengths = exports.padded(rows)
    answer = ask(text_model, "generate", token_ids=token_ids, lengths=lengths, **settings)
    assert answer["token_ids"].shape == (2, 41)
    assert answer["lengths"].tolist() == [41, 41] and (answer["token_ids"] > 0).all()
    last = np.nansum(answer["log_probs"], axis=1)
    text = np.array([bytes(range(37, 43)), bytes(range(37, 76))], object)
    answer = ask(text_model, "generate_text", text=text, **settings)
    np.testing.assert_allclose(answer["log_probs"], last, rtol=1e-5)


def test_a_prompt_must_fit_the_context(text_model):
    inputs = request([[2, *range(40, 80)]], max_new_tokens=(0,))
    refused(text_model, "generate", inputs, {}, "lengths must not exceed the context of 40")


def test_score_refuses_rows_wider_than_the_context(text_model):
    inputs = {"token_ids": np.full((1, 41), 5, np.int32), "lengths": np.array([3], np.int32)}
    refused(text_model, "score", inputs, {}, "must not be wider than the context of 40")


def test_a_table_of_positions_is_that_of_every_row():
    layer = kpar.layers.PositionEmbedding((5, 5), 16)
    backbone = kpar.models.PerceiverARBackbone(
        30, 12, 4, num_layers=1, width=16, num_heads=2, positions=layer
    )
    model = kpar.models.PerceiverARCausalLM(backbone)
    draw = np.random.default_rng(0)
    model.logits.kernel.assign(draw.normal(size=model.logits.kernel.shape))
    table = draw.integers(0, 5, (9, 2)).astype("int32")
    rows = draw.integers(3, 30, (2, 7)).astype("int32")
    inputs = {"token_ids": rows, "lengths": np.array([7, 3], "int32")}
    # What lies behind the table's end is as its end.
    positions = np.broadcast_to(table[np.minimum(np.arange(12), 8)], (2, 12, 2))
    wanted = keras.ops.convert_to_numpy(model.score({**inputs, "positions": positions[:, :7]}))
    tokens = [tf.constant(value) for value in inputs.values()]
    found = signatures.make_score(model, table)(*tokens)["log_probs"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)

    sampling = exports.sampling(2, max_new_tokens=(5,))
    wanted = model.generate(
        {**inputs, "positions": positions},
        5,
        sampler=kpar.generation.Sampler(1.0, 0.9),
        seed=sampling["seed"],
    )
    sampling = [tf.constant(value) for value in sampling.values()]
    found = signatures.make_generate(model, table)(*tokens, *sampling)
    np.testing.assert_array_equal(found["lengths"], wanted["lengths"])
    width = int(max(wanted["lengths"]))
    np.testing.assert_array_equal(found["token_ids"][:, :width], wanted["token_ids"][:, :width])
