import json

import pytest

from pipelines.compile_tpu import report, table
from tests.pipelines import runs

RECORD = {
    "run": ["pg19", "adafactor"],
    "bindings": [],
    "topology": "v5e:16x16",
    "step": "train",
    "rows": 8,
    "microbatches": 2,
    "parameters": 974_600_000,
    "optimizer": "OptaxAdam",
    "dtype": "bfloat16",
    "rematerialize": True,
    "hand_flops": 2 * 10**12,
    "compile_s": 40.0,
    "compile_cpu_s": 61.4,
    "devices": 256,
    "device_kind": "TPU v5 lite",
    "hbm_bytes": 3 * 2**30,
    "peak_bytes": 2 * 2**30,
    "argument_bytes": 2**30,
    "temp_bytes": 2**31,
    "flops": 3e12,
    "collectives": {"all-reduce": 2},
}
FACTS = ("compile_s", "compile_cpu_s", "devices", "device_kind", "flops", "collectives")
REFUSED = {k: v for k, v in RECORD.items() if k not in FACTS and not k.endswith("_bytes")}
REFUSED |= {"refused": "RESOURCE_EXHAUSTED: Ran out of memory", "step": "decode"}
PAGE = f"before\n{table.BEGIN}old\n{table.END}after\n"


def test_a_row_for_each_record():
    *_, row, refused = table.make_table([RECORD, REFUSED]).splitlines()
    assert row == (
        "| pg19, train | `v5e:16x16` | bfloat16, OptaxAdam, every block | 8 (2) | 3.0 GiB, 2.0 GiB "
        "| 1.0 GiB, 2.0 GiB | 3,000, 2,000 (× 1.50) | 2 all-reduce | 61 s |"
    )
    assert refused == (
        "| pg19, decode | `v5e:16x16` | bfloat16 | 8 | **refused**: Ran out of memory "
        "| – | – | – | – |"
    )


def test_the_table_takes_the_old_one_s_place(tmp_path, capsys):
    page, records = tmp_path / "page.md", tmp_path / "records.jsonl"
    page.write_text(PAGE)
    records.write_text(f"{json.dumps(RECORD)}\n{json.dumps(REFUSED)}\n")
    flags = [f"--records={records}", f"--page={page}"]
    for _ in range(2):
        assert runs.call(table.main, *flags) == 0
        text = page.read_text()
        assert text.startswith("before\n") and text.endswith("after\n")
        assert "old" not in text and text.count("every block") == 1
    page.write_text("no place")
    assert "made by `make tpu-table`" in runs.refusal(capsys, table.main, *flags)


def test_the_page_shows_what_was_compiled(repository):
    page = repository / "docs" / "tpu.md"
    records = [
        json.loads(line) for line in (repository / "docs/tpu.jsonl").read_text().splitlines()
    ]
    text = page.read_text(encoding="utf-8")
    assert table.replace(text, table.make_table(records)) == text


def test_figures_for_people(capsys):
    report.show(RECORD)
    shown = capsys.readouterr().out
    for part in ("974,600,000", "8 in 2 microbatches", "3.0 GiB", "× 1.50", "2 all-reduce"):
        assert part in shown


@pytest.mark.parametrize("again", [(0, 1), [0, 1]])
def test_some_blocks(again):
    assert "some blocks" in table.make_table([RECORD | {"rematerialize": again}])
