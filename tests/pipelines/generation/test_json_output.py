import json

import numpy as np
import pytest

from keras_perceiver_ar.codecs import byte_codec
from pipelines.errors import UserError
from pipelines.generation.batches import Drawn
from pipelines.generation.json_output import JsonOutput
from pipelines.generation.prompts import Row


def drawn(prompt, text, seed):
    row = Row(np.array([2, *byte_codec.encode(prompt)], np.int32))
    ids = np.array([*byte_codec.encode(text), 1], np.int32)
    return Drawn(row, seed, ids, np.full(len(ids), -0.5, np.float32))


def test_a_line_holds_prompt_and_continuation(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text("of before\n")
    with JsonOutput(byte_codec.decode, str(path)) as output:
        output.add([drawn("größe\n", '"𝄞"', 7), drawn("", "b", 8)])
        output.add([drawn("c", "", 9)])
    lines = path.read_bytes().decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"prompt": "größe\n", "seed": 7, "text": '"𝄞"', "log_prob": -3.5, "tokens": 7},
        {"prompt": "", "seed": 8, "text": "b", "log_prob": -1.0, "tokens": 2},
        {"prompt": "c", "seed": 9, "text": "", "log_prob": -0.5, "tokens": 1},
    ]
    assert "größe" in lines[0]  # letters, not escapes
    assert capsys.readouterr().out == f"wrote {path}\n"


def test_a_character_that_the_prompt_begins_is_the_continuation_s(tmp_path):
    ids = byte_codec.encode("aé")
    row = Drawn(Row(ids[:2]), 0, ids[2:], np.zeros(1, np.float32))
    with JsonOutput(byte_codec.decode, str(tmp_path / "a.jsonl")) as output:
        output.add([row])
    line = json.loads((tmp_path / "a.jsonl").read_text())
    assert (line["prompt"], line["text"]) == ("a", "é")


def test_the_batches_that_were_done_stay(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    for error in (KeyboardInterrupt, UserError):
        with pytest.raises(error), JsonOutput(byte_codec.decode, str(path)) as output:
            output.add([drawn("a", "b", 1)])
            raise error
        assert json.loads(path.read_text())["text"] == "b"
    with pytest.raises(UserError), JsonOutput(byte_codec.decode, str(path)):
        raise UserError("refused before the first one")
    assert json.loads(path.read_text())["text"] == "b"
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with (
        pytest.raises(UserError, match="nowhere"),
        JsonOutput(byte_codec.decode, str(tmp_path / "nowhere/a.jsonl")) as output,
    ):
        output.add([drawn("a", "b", 1)])
