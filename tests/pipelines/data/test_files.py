"""Which files there are, and what must not be read twice or for ever."""

import os

import pytest
import tensorflow as tf

from pipelines.data import files
from pipelines.errors import UserError


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_files_of_a_kind_are_found_and_the_others_counted(tmp_path):
    write(
        tmp_path, "b.txt", "a/c.TXT", "a/d.txt/e.txt", "f.csv", "a/g", ".txt", ".h/i.txt", "j.csv"
    )
    found = files.find(str(tmp_path), (".txt",))
    assert found.paths == [str(tmp_path / name) for name in ("a/c.TXT", "a/d.txt/e.txt", "b.txt")]
    assert found.others == {".csv": 2, "": 1}


def test_remote_folders():
    for name in ("a.txt", "inner/b.txt"):
        tf.io.gfile.makedirs(f"ram://found/{os.path.dirname(name)}")
        with tf.io.gfile.GFile(f"ram://found/{name}", "w") as file:
            file.write("text")
    assert files.find("ram://found", (".txt",)).paths == [
        "ram://found/a.txt",
        "ram://found/inner/b.txt",
    ]


@pytest.mark.parametrize(
    ("link", "target", "message"),
    [
        ("inner/up", "..", "inner/up' is a link to a folder that holds it"),
        ("twin", "inner", "inner/b.txt' and '.*twin/b.txt' are the same file, by a link"),
        ("twin.txt", "a.txt", "a.txt' and '.*twin.txt' are the same file, by a link"),
        ("0.txt", "a.txt", "0.txt' and '.*a.txt' are the same file, by a link"),
    ],
)
def test_links_that_would_make_text_count_twice_are_refused(tmp_path, link, target, message):
    write(tmp_path, "a.txt", "inner/b.txt")
    (tmp_path / link).symlink_to(target)
    with pytest.raises(UserError, match=message):
        files.find(str(tmp_path), (".txt",))


def test_links_to_files_elsewhere_are_followed(tmp_path):
    """As the cache of a hub keeps them."""
    write(tmp_path, "blobs/1", "more/2.txt")
    (tmp_path / "view").mkdir()
    (tmp_path / "view/1.txt").symlink_to("../blobs/1")
    (tmp_path / "view/more").symlink_to("../more")
    (tmp_path / "view/gone.txt").symlink_to("nowhere")
    found = files.find(str(tmp_path / "view"), (".txt",)).paths
    assert found == [str(tmp_path / "view" / name) for name in ("1.txt", "gone.txt", "more/2.txt")]
    nothing = files.Stat(0, 0)
    assert files.stats(found, "here", nothing)[1] == nothing
    with pytest.raises(UserError, match="cannot read '.*gone.txt'"):
        files.sizes(found, "here")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UserError, match="pipe.txt' is no regular file"):
        files.find(str(tmp_path), (".txt",))


def test_a_name_that_is_not_utf8_is_named_in_escapes(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "w"):
        pass
    with pytest.raises(UserError, match=r"name is not UTF-8 .'caf\\udce9.txt'"):
        files.find(str(tmp_path), (".txt",))


def test_a_file_that_was_written_again_is_another_version(tmp_path):
    write(tmp_path, "a.txt")
    path = tmp_path / "a.txt"
    (before,) = files.stats([str(path)], "here")
    os.utime(path, ns=(1, before.changed + 1))  # within the same second
    (after,) = files.stats([str(path)], "here")
    assert before.size == after.size == 5 and after.changed == before.changed + 1
