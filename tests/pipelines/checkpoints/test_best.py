import json

import pytest

from pipelines.checkpoints.best import BestCheckpoint

LOSSES = [(3, 5.0), (6, 4.0), (9, 4.5), (12, 4.0)]


def run(folder, metric, values):
    """Evaluations of checkpoints; returns the step that is kept."""
    best = BestCheckpoint(str(folder), metric)
    for step, value in values:
        for part in ("index", "data-00000-of-00001"):
            (folder / f"ckpt-{step}.{part}").write_text(f"{part} of {step}")
        best(step, {"loss": value, "accuracy": value})
    return json.loads((folder / "best" / "best.json").read_text())["step"]


@pytest.mark.parametrize(("metric", "step"), [("loss", 6), ("accuracy", 3)])
def test_the_best_is_kept_whole_and_alone(tmp_path, metric, step):
    for name in ("model.json", "operative_config.gin"):
        (tmp_path / name).write_text(name)
    assert run(tmp_path, metric, LOSSES) == step
    names = {path.name: path.read_text() for path in (tmp_path / "best").iterdir()}
    names.pop("best.json")
    assert names == {
        f"ckpt-{step}.index": f"index of {step}",
        f"ckpt-{step}.data-00000-of-00001": f"data-00000-of-00001 of {step}",
        "model.json": "model.json",
        "operative_config.gin": "operative_config.gin",
    }


def test_the_best_of_an_earlier_start_counts(tmp_path):
    run(tmp_path, "loss", LOSSES[:2])
    assert run(tmp_path, "loss", LOSSES[2:]) == 6
    assert run(tmp_path, "loss", [(15, 3.0)]) == 15


def test_what_is_no_number_is_never_the_best(tmp_path):
    assert run(tmp_path, "loss", [(3, float("nan")), (6, 4.0), (9, float("nan"))]) == 6


def test_a_checkpoint_that_is_gone_leaves_the_best_there_was(tmp_path, capsys):
    run(tmp_path, "loss", LOSSES[:1])
    (tmp_path / "best" / "ckpt-9.index.copy").write_text("of a copy that was stopped")
    BestCheckpoint(str(tmp_path), "loss")(99, {"loss": 1.0})
    assert "step 99 was the best so far, but its checkpoint is gone" in capsys.readouterr().err
    assert json.loads((tmp_path / "best" / "best.json").read_text())["step"] == 3
    assert (tmp_path / "best" / "ckpt-3.index").exists()
    assert run(tmp_path, "loss", LOSSES[1:]) == 6
    assert not list((tmp_path / "best").glob("*.copy"))


def test_nothing_is_kept_where_nothing_is_asked_for(tmp_path):
    BestCheckpoint(str(tmp_path), None)(3, {"loss": 1.0})
    assert not list(tmp_path.iterdir())
