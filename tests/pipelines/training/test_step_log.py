import pytest

from pipelines.training.step_log import cut_back


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"step": 3}\n{"step": 6}\n', '{"step": 3}\n{"step": 6}\n'),
        ('{"step": 3}\n{"step": 6}\n{"step": 9}\n', '{"step": 3}\n{"step": 6}\n'),
        ('{"step": 3}\n{"step": 6}\n{"st', '{"step": 3}\n{"step": 6}\n'),
        ('{"step": 9}\n', ""),
        ("", ""),
    ],
)
def test_lines_after_the_checkpoint_are_dropped(tmp_path, before, after):
    path = tmp_path / "train_log.jsonl"
    path.write_text(before)
    cut_back(str(path), 6)
    assert path.read_text() == after


def test_a_log_that_is_not_there_stays_away(tmp_path):
    cut_back(str(tmp_path / "train_log.jsonl"), 6)
    assert not list(tmp_path.iterdir())
