"""A set in a bucket is looked at as one in a folder, and its pictures may go to a bucket."""

from pipelines.prepare.__main__ import main
from tests.pipelines import runs, shards
from tests.pipelines.prepare.test_encoders import write_music


def test_a_set_in_a_bucket(storage, bucket, tmp_path, capsys):
    write_music(tmp_path / "music")
    shards.prepare(tmp_path / "music", tmp_path / "set", dataset="maestro")
    for path in (tmp_path / "set").iterdir():
        storage.put(bucket, f"set/{path.name}", path.read_bytes())
    places = [(tmp_path / "set", tmp_path / "out"), (f"gs://{bucket}/set", f"gs://{bucket}/out")]
    shown = []
    for source, output in places:
        assert runs.call(main, "inspect", source, f"--output={output}") == 0
        shown.append(capsys.readouterr().out.replace(str(output), "OUT"))
    assert shown[0] == shown[1]
    for path in (tmp_path / "out").iterdir():
        assert storage.read(bucket, f"out/{path.name}") == path.read_bytes()

    assert runs.call(main, "inspect", f"gs://{bucket}/other") == 2
    assert "holds no manifest.json" in capsys.readouterr().err
