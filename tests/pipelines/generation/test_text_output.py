import sys

import numpy as np
import pytest

from keras_perceiver_ar.codecs import byte_codec
from pipelines.errors import RunError, UserError
from pipelines.generation.batches import Drawn
from pipelines.generation.prompts import Row
from pipelines.generation.text_output import TextOutput


def drawn(prompt, text, seed=0):
    row = Row(np.array([2, *byte_codec.encode(prompt)], np.int32))
    return Drawn(row, seed, byte_codec.encode(text), np.zeros(0, np.float32))


def steps(output, *rows):
    """Lets an output see a batch as it is drawn; yields after every step."""
    output.begin(rows[0].row, rows[0].seed)
    for step in range(max(len(row.continuation) for row in rows)):
        ids = [row.continuation[step : step + 1] for row in rows]
        output.see(None, np.array([i[0] if len(i) else 0 for i in ids], np.int32), 0.0)
        yield step


def test_a_text_appears_while_it_is_written_in_whole_characters(capsys, tmp_path):
    row, seen = drawn("größe ", "aé𝄞"), []
    path = tmp_path / "a.txt"
    with TextOutput(byte_codec.decode, 1, str(path)) as output:
        for _ in steps(output, row):
            seen.append(capsys.readouterr().out)
        assert not path.exists()
        output.add([row])
    assert seen == ["größe a", "", "é", "", "", "", "𝄞"]
    assert capsys.readouterr().out == "\n"
    assert path.read_bytes().decode() == "größe aé𝄞\n"


def test_nothing_appears_before_the_first_token(capsys):
    """Until then the batch may be refused."""
    with pytest.raises(UserError), TextOutput(byte_codec.decode, 1) as output:
        output.begin(drawn("a", "b").row, 0)
        raise UserError("refused")
    assert capsys.readouterr().out == ""


def test_several_texts_are_parted_by_lines(capsys):
    batches = [[drawn("a", "bb", 3), drawn("c", "d", 4)], [drawn("e", "f", 5)]]
    with TextOutput(byte_codec.decode, 3) as output:
        for batch in batches:
            list(steps(output, *batch))
            output.add(batch)
    assert capsys.readouterr().out.splitlines() == [
        *["--- 1 of 3, seed 3 ---", "abb", "--- 2 of 3, seed 4 ---", "cd"],
        *["--- 3 of 3, seed 5 ---", "ef"],
    ]


def test_ctrl_c_leaves_what_was_written(capsys, tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(KeyboardInterrupt), TextOutput(byte_codec.decode, 1, str(path)) as output:
        for step in steps(output, drawn("It ", "wa€")):
            if step == 3:
                raise KeyboardInterrupt
    assert capsys.readouterr().out == path.read_text() == "It wa\ufffd\n"


def test_an_error_leaves_the_file_of_before(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("of before")
    for error in (UserError, KeyboardInterrupt):  # Ctrl-C before there was anything to write
        with pytest.raises(error), TextOutput(byte_codec.decode, 1, str(path)) as output:
            output.begin(drawn("a", "b").row, 0)
            raise error
    assert path.read_text() == "of before"


def test_who_asked_for_a_file_gets_all_of_it_though_nobody_reads_on(monkeypatch, tmp_path):
    class Gone:
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    row, path = drawn("a", "bc"), tmp_path / "a.txt"
    with pytest.raises(BrokenPipeError), TextOutput(byte_codec.decode, 1, str(path)) as output:
        list(steps(output, row))
        output.add([row])
    assert path.read_text() == "abc\n"
    with pytest.raises(BrokenPipeError), TextOutput(byte_codec.decode, 1) as output:
        list(steps(output, row))
        pytest.fail("it went on")


def test_another_error_leaves_what_was_done(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(UserError), TextOutput(byte_codec.decode, 2, str(path)) as output:
        list(steps(output, drawn("a", "b")))
        output.add([drawn("a", "b")])
        for _ in steps(output, drawn("c", "de")):
            raise UserError("in the middle of the second")
    assert path.read_text() == "--- 1 of 2, seed 0 ---\nab\n"


def test_a_full_standard_output_does_not_take_the_file_with_it(monkeypatch, tmp_path):
    path = tmp_path / "a.txt"
    for name in (str(path), None):
        with open("/dev/full", "w") as full, pytest.raises(RunError, match="No space left"):
            monkeypatch.setattr(sys, "stdout", full)
            with TextOutput(byte_codec.decode, 1, name) as output:
                output.add([drawn("a", "bc")])
                assert name, "it went on"
    assert path.read_text() == "abc\n"


def test_what_is_searched_for_appears_when_it_is_found(capsys):
    batch = [drawn("a", "bb", None), drawn("c", "d", None)]
    with TextOutput(byte_codec.decode, 2) as output:
        output.begin(batch[0].row, None)
        assert capsys.readouterr().out == ""
        output.add(batch)
    assert capsys.readouterr().out == "--- 1 of 2 ---\nabb\n--- 2 of 2 ---\ncd\n"
