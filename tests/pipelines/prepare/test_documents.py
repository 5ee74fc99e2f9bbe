"""Which files are documents of which split."""

import pytest

from pipelines.errors import UserError
from pipelines.prepare import documents


def test_the_layout_of_pg19(tmp_path):
    for split, name in (("train", "11.txt"), ("train", "deep/5.txt"), ("test", "7.txt")):
        path = tmp_path / split / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = documents.find("pg19", str(tmp_path) + "/")
    assert {split: [d.name for d in files] for split, files in found.items()} == {
        "train": ["train/11.txt", "train/deep/5.txt"],
        "test": ["test/7.txt"],
    }
    assert found["test"][0] == ("test/7.txt", str(tmp_path / "test/7.txt"), "whole", 5)


def test_files_without_splits_are_cut_into_two(tmp_path):
    (tmp_path / "a.txt").write_text("a" * 100)
    found = documents.find("text", str(tmp_path))
    assert {split: files[0].part for split, files in found.items()} == {
        "train": "train",
        "validation": "validation",
    }


@pytest.mark.parametrize(
    ("dataset", "folder", "message"),
    [("pg18", ".", "unknown --dataset=pg18: choose pg19"), ("pg19", "nowhere", "no folder")],
)
def test_what_is_not_there_is_refused(tmp_path, dataset, folder, message):
    with pytest.raises(UserError, match=message):
        documents.find(dataset, str(tmp_path / folder))
