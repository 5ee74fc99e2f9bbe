"""Every command of docs/exporting.md runs, on a tiny model; its example runs in `test_docs`."""

import re

import pytest
import tensorflow as tf

from keras_perceiver_ar.generation.sampler import OFF, RANGES
from savedmodels import sampling_inputs
from tests.pipelines import runs
from tests.repository import pages
from tests.savedmodels import exports

pytestmark = pytest.mark.slow


def test_every_command_does_what_the_page_says(repository, tmp_path):
    runs.save_untrained(tmp_path / "run", runs.copy_flags())
    places = {"savedmodels/copy": tmp_path / "exported", "runs/copy": tmp_path / "run"}
    ran = pages.run_commands(repository / "docs" / "exporting.md", repository, places, {})
    assert [name for name, *_ in ran] == ["savedmodels.export"] * 5
    plain, _, _, stepwise, half = (printed for *_, printed in ran)
    assert "bytes on disk" in plain and "float32" in plain
    assert "stepwise: one row at the full context" in stepwise and "prefill, decode" in stepwise
    assert "bfloat16" in half
    assert sorted(path.name for path in (tmp_path / "exported").iterdir()) == [*"12345"]
    assert (tmp_path / "exported" / "1" / "assets.extra").is_dir()
    loaded = [tf.saved_model.load(str(tmp_path / "exported" / version)) for version in "1234"]
    generates = [version.signatures["generate"].structured_input_signature[1] for version in loaded]
    assert generates[1].keys() - generates[0].keys() == {"top_k", "repetition_penalty"}
    longer = exports.sampling(1, max_new_tokens=(9,)) | {"token_ids": [[2]], "lengths": [1]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="must not exceed the context"):
        exports.ask(loaded[0], "generate", **longer)
    assert exports.ask(loaded[2], "generate", **longer)["token_ids"].shape == (1, 10)
    assert {"prefill", "decode"} <= set(loaded[3].signatures)


def test_the_table_is_that_of_the_sampler(repository):
    page = (repository / "docs" / "exporting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (int32|float32) \| (\S+) …( \S+)? \| (\S+) \|$", page, re.M)
    assert [name for name, *_ in rows] == list(sampling_inputs.OPTIONAL)
    for name, dtype, lowest, highest, off in rows:
        assert (float(lowest), float(off)) == (RANGES[name][0], OFF[name])
        assert float(highest or 2**31 - 1) == RANGES[name][1]
        assert dtype == ("int32" if name == "top_k" else "float32")
