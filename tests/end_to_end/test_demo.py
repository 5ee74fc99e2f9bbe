import re

import pytest

from tests.pipelines import runs


@pytest.mark.slow
@pytest.mark.long
def test_the_demonstration_copies(tmp_path):
    status, out, err = runs.finish(runs.start("pipelines.demo", f"--output={tmp_path}"))
    assert status == 0, err
    assert float(re.search(r"^accuracy=(\S+)$", out, re.MULTILINE)[1]) >= 0.999
    assert "which is the mirrored sequence." in out
    for part in ("model/train_log.jsonl", "model/metrics.json", "savedmodel/1/saved_model.pb"):
        assert (tmp_path / "copy" / part).is_file(), part
    assert str(tmp_path / "copy" / "savedmodel") in out
