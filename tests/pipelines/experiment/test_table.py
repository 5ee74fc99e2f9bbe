import pytest

from pipelines.errors import UserError
from pipelines.experiment import table
from pipelines.experiment.table import Table


def test_rows_are_there_again(tmp_path):
    made = Table(tmp_path / "x.csv")
    made.add([{"stage": 8, "loss": 0.1234567891234}])
    made.add([{"stage": 16, "loss": 2.0, "note": 'a "quoted", one'}])
    again = Table(tmp_path / "x.csv")
    assert again.rows == [
        {"stage": "8", "loss": "0.123456789", "note": ""},
        {"stage": "16", "loss": "2", "note": 'a "quoted", one'},
    ]
    assert again.has(stage=8) and again.has(stage=16, loss=2.0) and not again.has(stage=9)
    again.add([{"stage": 32}])
    assert Table(tmp_path / "x.csv").find(stage=32) == [{"stage": "32", "loss": "", "note": ""}]


def test_what_is_written_is_whole_or_not_there(tmp_path, monkeypatch):
    made = Table(tmp_path / "x.csv")
    made.add([{"stage": 1}])
    before = made.path.read_text()

    def fail(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(table.os, "replace", fail)
        with pytest.raises(OSError, match="no space"):
            made.add([{"stage": 2}])
    assert made.path.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize("text", ["a,b\n1\n", "a\n1,2\n", b"\xff\xfe"])
def test_what_is_no_table_is_named(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=r"x\.csv"):
        Table(path)


def test_a_table_of_something_else_is_named(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"x\.csv' is no table of this experiment"):
        Table(tmp_path / "x.csv").has(stage=8)
