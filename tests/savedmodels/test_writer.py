import keras
import pytest
import tensorflow as tf

from pipelines.errors import UserError
from savedmodels import export, sizes, writer
from savedmodels.byte_text import ByteText
from tests.pipelines import runs


class Archive:
    """In place of `keras.export.ExportArchive`: quick, and fails in the middle if told to."""

    fails = False

    def __init__(self):
        self.endpoints = []

    def add_endpoint(self, name, function):
        self.endpoints.append(name)

    def write_out(self, path, verbose):
        tf.io.gfile.makedirs(path)
        with tf.io.gfile.GFile(f"{path}/saved_model.pb", "w") as file:
            file.write(" ".join(self.endpoints))
        if self.fails:
            raise RuntimeError("the disk is full")


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.export, "ExportArchive", Archive)
    monkeypatch.setattr(writer, "_trace", writer.Endpoint)
    monkeypatch.setattr(writer.registry_check, "check", lambda folder, tell: None)
    monkeypatch.setattr(sizes, "report", lambda folder: ["a size"])
    return runs.save_untrained(tmp_path / "run", runs.copy_flags())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_versions_count_up(model, tmp_path):
    output = tmp_path / "exported"
    for version in ("1", "2", "3"):
        path, _ = writer.write_version(model, str(output), text=None)
        assert path == str(output / version)
    assert names(output) == ["1", "2", "3"]


def test_only_models_of_text_take_text(model, tmp_path):
    for text, expected in (
        (None, "serving_default score generate"),
        (ByteText(), "serving_default score generate generate_text"),
    ):
        path, signatures = writer.write_version(model, str(tmp_path / "exported"), text)
        assert " ".join(signatures) == expected
        assert tf.io.gfile.GFile(f"{path}/saved_model.pb").read() == expected


def test_an_export_that_fails_leaves_nothing(model, tmp_path, monkeypatch):
    output = tmp_path / "exported"
    writer.write_version(model, str(output), text=None)
    before = runs.fingerprints(output)
    monkeypatch.setattr(Archive, "fails", True)
    with pytest.raises(RuntimeError, match="the disk is full"):
        writer.write_version(model, str(output), text=None)
    assert names(output) == ["1"]
    assert runs.fingerprints(output) == before


def test_what_tf_serving_could_not_run_is_not_kept(tmp_path, monkeypatch):
    def make_score(model, positions):
        return lambda token_ids, lengths: {"log_probs": tf.random.uniform(tf.shape(token_ids))}

    model = runs.save_untrained(tmp_path / "run", runs.copy_flags())
    monkeypatch.setattr(writer.signatures, "make_score", make_score)
    with pytest.raises(UserError, match="op RandomUniform .* keeps a state"):
        writer.write_version(model, str(tmp_path / "exported"), text=None)
    assert names(tmp_path / "exported") == []


def test_a_directory_that_cannot_be_written_is_refused(model, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="file"):
        writer.write_version(model, str(tmp_path / "file"), text=None)
    assert (tmp_path / "file").read_text() == "not a folder"


def test_the_command_says_what_it_wrote(model, tmp_path, capsys):
    flags = [f"--model_dir={tmp_path / 'run'}", f"--output={tmp_path / 'exported'}"]
    capsys.readouterr()
    assert runs.call(export.main, *flags) == 0
    out = capsys.readouterr().out
    assert "step 0" in out and str(tmp_path / "exported" / "1") in out
    assert "serving_default, score, generate\na size\n" in out
