"""Which files are documents of which split."""

import os

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
    path = tmp_path / "test/7.txt"
    assert found["test"][0][:4] == ("test/7.txt", str(path), "whole", 5)
    os.utime(path, (1, 1))
    assert found["test"][0].version != documents.find("pg19", str(tmp_path))["test"][0].version


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


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def names(found):
    return {split: [d.name for d in group] for split, group in found.items()}


def test_the_layouts_of_images(tmp_path, capsys):
    write(tmp_path, "train_64x64/1.png", "valid_64x64/2.png", "test/deep/3.jpg", ".cache/4.png")
    wanted = {
        "train": ["train_64x64/1.png"],
        "validation": ["valid_64x64/2.png"],
        "test": ["test/deep/3.jpg"],
    }
    assert names(documents.find("imagenet64", str(tmp_path))) == wanted
    assert capsys.readouterr().err == ""
    write(tmp_path, "train_64x64/notes.csv", "train_64x64/5.bmp")
    assert names(documents.find("imagenet64", str(tmp_path))) == wanted
    assert "left out: 2 files" in (line := capsys.readouterr().err) and "(.bmp, .csv)" in line


@pytest.mark.parametrize("stray", ["stray.png", "extra/9.png", "trains/9.png"])
def test_an_image_beside_the_folders_of_splits_is_refused(tmp_path, stray):
    """Else the official splits would be given up for its sake, and test images trained on."""
    write(tmp_path, "train/1.png", "valid/2.png", stray)
    with pytest.raises(UserError, match=f"{stray}' is of no split"):
        documents.find("imagenet64", str(tmp_path))


def test_folders_of_classes_are_no_splits(tmp_path):
    write(tmp_path, *(f"{kind}/{n}.png" for kind in ("trains", "tests_of", "v") for n in range(40)))
    found = documents.find("imagenet64", str(tmp_path))
    assert {split: len(group) for split, group in found.items()} == {"train": 111, "validation": 9}


def test_a_link_to_nothing_is_a_document_that_cannot_be_read(tmp_path):
    write(tmp_path, "1.png")
    (tmp_path / "2.png").symlink_to("nowhere")
    found = documents.find("imagenet64", str(tmp_path))
    (gone,) = [d for group in found.values() for d in group if d.name == "2.png"]
    assert (gone.size, gone.changed) == (0, 0)
    with pytest.raises(UserError, match="2.png"):
        gone.image(4)


TABLE = "canonical_title,split,midi_filename\nA,train,1.mid\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE + "B,test\n", "row 3 has the file None in the split 'test'"),
        (TABLE + "B,test,\n", "row 3 has the file '' in the split 'test'"),
        (TABLE + "B,dev,1.mid\n", "row 3 has the file '1.mid' in the split 'dev'"),
        (TABLE + "A,train,./1.mid\n", "row 3 names './1.mid', no plain path within"),
        (TABLE + "A,train,../1.mid\n", "row 3 names '../1.mid', no plain path within"),
        (TABLE + "A,train,/etc/passwd\n", "row 3 names '/etc/passwd', no plain path within"),
        (TABLE + "A,train,1.mid\n", "row 3 names '1.mid' again"),
        (TABLE + "A,test,1.mid\n", "row 3 names '1.mid' again"),
        (TABLE + "B,test," + "m" * 200_000 + "\n", "field larger than field limit"),
        (TABLE + 'B,test,"1.mid\n', "unexpected end of data"),
        (TABLE + "B,test,2.mid\n", "cannot read '.*2.mid'"),
        (TABLE + "B,test,pipe.mid\n", "pipe.mid' is no regular file"),
        ("a,b\n1,2\n", "no columns midi_filename and split"),
        ("", "no columns midi_filename and split"),
    ],
)
def test_a_table_that_is_no_whole_one_is_refused(tmp_path, table, message):
    write(tmp_path, "1.mid")
    if "pipe" in table:
        os.mkfifo(tmp_path / "pipe.mid")
    (tmp_path / "maestro-v3.0.0.csv").write_text(table)
    with pytest.raises(UserError, match=message):
        documents.find("maestro", str(tmp_path))


def test_music_beside_the_table_is_named(tmp_path, capsys):
    folder = tmp_path / "mae [copy]"
    write(folder, "1.mid", "2004/2.midi")
    (folder / "maestro-v3.0.0.csv").write_text(TABLE)
    assert names(documents.find("maestro", str(folder))) == {"train": ["1.mid"]}
    assert "left out: 1 MIDI files" in (said := capsys.readouterr().err) and "2.midi" in said


def test_text_of_other_names_is_told_of(tmp_path, capsys):
    write(tmp_path, "train/1.txt", "train/2.md", "test/3.txt.gz", "test/4.txt")
    documents.find("pg19", str(tmp_path))
    assert "left out: 2 files" in (said := capsys.readouterr().err) and "(.gz, .md)" in said


@pytest.mark.parametrize("folder", ["Train", "valid", "dev"])
def test_folders_that_seem_to_be_splits_are_refused(tmp_path, folder):
    write(tmp_path, f"{folder}/1.txt", "2.txt")
    with pytest.raises(UserError, match=f"has a folder '{folder}': name the folders of splits"):
        documents.find("pg19", str(tmp_path))


@pytest.mark.parametrize("link", ["test", "validation/2.txt"])
def test_a_text_to_train_on_is_in_no_other_split(tmp_path, link):
    write(tmp_path, "train/1.txt", "validation/3.txt")
    target = "train" if link == "test" else "../train/1.txt"
    (tmp_path / link).symlink_to(target)
    with pytest.raises(UserError, match="are the same file, by a link: what is trained on"):
        documents.find("pg19", str(tmp_path))
