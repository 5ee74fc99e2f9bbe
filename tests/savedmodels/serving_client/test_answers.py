"""Answers that are none are told apart, whichever transport they came over."""

import json

import numpy as np
import pytest

from savedmodels.serving_client.answers import from_json, read_answer
from savedmodels.serving_client.inputs import OUTPUTS

IDS, LENGTHS = np.ones((2, 5), np.int32), np.array([0, 4], np.int32)
LOGS = np.zeros((2, 6), np.float32)
DRAWN = {"token_ids": IDS, "lengths": LENGTHS, "log_probs": LOGS, "more": 1}
TEXTS = {"text": [b"a", b""], "lengths": LENGTHS, "log_probs": LOGS[:, 0]}


def test_answers_are_cut_to_what_was_asked_for():
    found = read_answer(DRAWN, OUTPUTS["generate"], 2, 4)
    assert {name: value.shape for name, value in found.items()} == {
        "token_ids": (2, 4),
        "lengths": (2,),
        "log_probs": (2, 4),
    }
    assert read_answer(TEXTS, OUTPUTS["generate_text"], 2) == TEXTS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"token_ids": IDS[:1]}, r"token_ids .* shape \(2, 4\), got \(1, 5\)"),
        ({"token_ids": np.ones((3, 5), np.int32)}, "shape"),
        ({"token_ids": IDS[:, :3]}, "shape"),
        ({"token_ids": IDS[0]}, "shape"),
        ({"token_ids": IDS[0, 0]}, "int32"),
        ({"token_ids": IDS.astype(np.int64)}, "token_ids .* int32, got int64"),
        ({"token_ids": [b"a", b"b"]}, "token_ids .* int32, got list"),
        ({"log_probs": LOGS[:, :, None]}, "log_probs .* shape"),
        ({"log_probs": IDS}, "log_probs .* float32"),
        ({"lengths": LENGTHS[:, None]}, r"lengths .* shape \(2,\)"),
        ({"lengths": np.array([0, 5], np.int32)}, "lengths .* 0 … 4"),
        ({"lengths": np.array([-1, 4], np.int32)}, "lengths .* 0 … 4"),
    ],
)
def test_ids_of_another_type_or_shape(changed, said):
    with pytest.raises(ValueError, match=said):
        read_answer({**DRAWN, **changed}, OUTPUTS["generate"], 2, 4)


@pytest.mark.parametrize(
    "changed",
    [
        {"text": b"ab"},
        {"text": []},
        {"text": [b"a"]},
        {"text": [b"a", "b"]},
        {"text": [[b"a"], [b"b"]]},
        {"text": LENGTHS},
        {"lengths": np.array([0, -1], np.int32)},
        {"log_probs": LOGS},
    ],
)
def test_texts_of_another_type_or_shape(changed):
    (name,) = changed
    with pytest.raises(ValueError, match=f"{name} of the answer must"):
        read_answer({**TEXTS, **changed}, OUTPUTS["generate_text"], 2)


@pytest.mark.parametrize("name", OUTPUTS["generate"])
def test_an_output_that_is_missing(name):
    found = {key: value for key, value in DRAWN.items() if key != name}
    with pytest.raises(ValueError, match=f"lacks .*{name}"):
        read_answer(found, OUTPUTS["generate"], 2, 4)


def test_numbers_of_json():
    found = from_json(json.loads("[[0.1, NaN], [-Infinity, 2]]"), "float32")
    wanted = np.array([[0.1, np.nan], [-np.inf, 2]], np.float32)
    np.testing.assert_array_equal(found, wanted, strict=True)
    found = from_json([-(2**31), 2**31 - 1], "int32")
    assert found.dtype == np.int32 and found.tolist() == [-(2**31), 2**31 - 1]
    assert from_json(["ö", "\ud800"], "text") == ["ö".encode(), b"\xed\xa0\x80"]


@pytest.mark.parametrize("value", ["[2.5]", "[2.0]", "[2147483648]", "[1e999]", '["3"]', "[null]"])
def test_what_is_no_int32(value):
    with pytest.raises(ValueError):
        from_json(json.loads(value), "int32")


@pytest.mark.parametrize(
    "value", ["[null]", "[1e300]", f"[{2**70}]", '["1"]', "[true]", "{}", "[[1], [2, 3]]"]
)
def test_what_is_no_float32(value):
    with pytest.raises(ValueError):
        from_json(json.loads(value), "float32")


@pytest.mark.parametrize("value", ["abc", [5], [["a"]], {"b64": "YQ=="}, None])
def test_what_is_no_list_of_texts(value):
    with pytest.raises(ValueError):
        from_json(value, "text")
