"""Every command of docs/exporting.md runs, on a tiny model; its example runs in `test_docs`."""

import pytest
import tensorflow as tf

from tests.pipelines import runs
from tests.repository import pages

pytestmark = pytest.mark.slow


def test_every_command_does_what_the_page_says(repository, tmp_path):
    runs.save_untrained(tmp_path / "run", runs.copy_flags())
    places = {"savedmodels/copy": tmp_path / "exported", "runs/copy": tmp_path / "run"}
    ran = pages.run_commands(repository / "docs" / "exporting.md", repository, places, {})
    assert [name for name, *_ in ran] == ["savedmodels.export"] * 3
    plain, stepwise, half = (printed for *_, printed in ran)
    assert "bytes on disk" in plain and "float32" in plain
    assert "stepwise: one row at the full context" in stepwise and "prefill, decode" in stepwise
    assert "bfloat16" in half
    assert sorted(path.name for path in (tmp_path / "exported").iterdir()) == ["1", "2", "3"]
    assert (tmp_path / "exported" / "1" / "assets.extra").is_dir()
    loaded = tf.saved_model.load(str(tmp_path / "exported" / "2"))
    assert {"prefill", "decode"} <= set(loaded.signatures)
