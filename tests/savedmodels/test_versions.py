import concurrent.futures
import os
import threading

from savedmodels import versions


def write(folder):
    os.makedirs(f"{folder}/variables")
    for name in ("saved_model.pb", "variables/variables.index"):
        with open(f"{folder}/{name}", "w") as file:
            file.write(folder)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_versions_count_up_from_the_highest(tmp_path):
    for name in ("2", "10", "notes", "11-old"):
        (tmp_path / "exported" / name).mkdir(parents=True)
    for version in ("11", "12"):
        assert versions.add(str(tmp_path / "exported"), write) == str(
            tmp_path / "exported" / version
        )
    assert names(tmp_path / "exported") == ["10", "11", "11-old", "12", "2", "notes"]


def test_exports_that_end_at_once_get_numbers_of_their_own(tmp_path):
    together = threading.Barrier(8)

    def export(_):
        def write_together(folder):
            write(folder)
            together.wait()

        return versions.add(str(tmp_path), write_together)

    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        paths = list(executor.map(export, range(8)))
    assert sorted(paths) == [str(tmp_path / str(number)) for number in range(1, 9)]
    written = {(tmp_path / name / "saved_model.pb").read_text() for name in names(tmp_path)}
    assert len(written) == 8  # none has taken another's place


def test_a_number_that_was_taken_just_now_is_left_alone(tmp_path, monkeypatch):
    numbers = iter([1, 2])
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_text("theirs")
    monkeypatch.setattr(versions, "_next", lambda directory: next(numbers))
    assert versions.add(str(tmp_path), write) == str(tmp_path / "2")
    assert (tmp_path / "1" / "saved_model.pb").read_text() == "theirs"


def test_everything_is_on_the_disk_before_it_has_its_name_and_the_name_after(tmp_path, monkeypatch):
    done, fsync, rename = [], os.fsync, os.rename

    def record_fsync(handle):
        done.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def record_rename(source, target):
        done.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "rename", record_rename)
    path = versions.add(str(tmp_path), write)
    at = done.index("rename")
    before, after = done[:at], done[at + 1 :]
    assert {"saved_model.pb", "variables.index", "variables"} <= set(before)
    assert any(name.startswith("unfinished-") for name in before)
    assert after == [tmp_path.name]
    assert path == str(tmp_path / "1")
