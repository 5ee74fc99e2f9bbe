"""What a card says of data follows from the set and from what was told, not from a flag's name."""

import shlex

import pytest

from pipelines.experiment import npy_set
from savedmodels import card_data
from tests.pipelines.experiment import npy_sets

PREPARE = ["python", "-m", "pipelines.prepare"]


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    return npy_sets.make_music(tmp_path_factory.mktemp("music"))


def test_the_flag_of_prepare_makes_no_licence(music):
    told = card_data.tell([music])
    assert "as `--dataset=maestro`" in told and "what they are is not known" in told
    assert "licence is not known" in told
    assert "If they are MAESTRO" in told and "CC BY-NC-SA 4.0" in told
    assert "If they are your own, your terms hold" in told


@pytest.mark.parametrize(
    ("name", "licence", "there", "absent"),
    [
        ("My own", "CC0", ["**My own**", "Licence: CC0"], ["MAESTRO", "not known"]),
        ("My own", None, ["**My own**", "licence is not known", "MAESTRO"], ["what they are"]),
        (None, "CC0", ["as they say: CC0", "what they are is not known"], ["MAESTRO"]),
    ],
)
def test_what_was_told_is_said_to_be_told(music, name, licence, there, absent):
    told = card_data.tell([music], name, licence)
    assert all(part in told for part in there), told
    assert not any(part in told for part in absent), told


def test_each_split_has_its_documents(music):
    told, splits = card_data.tell([music]), npy_set.load(music).splits
    for split, documents in (("train", 3), ("validation", 2), ("test", 1)):
        assert f"| {split} | {documents} | {splits[split]['tokens']} | 0 |" in told


def prepared(told):
    block = told.split("```bash\n")[1].split("```")[0].replace("\\\n", " ")
    return [shlex.split(line) for line in block.splitlines()]


def test_the_command_that_prepares_music_says_what_is_not_known(music):
    told = card_data.tell([music])
    assert prepared(told) == [
        [*PREPARE, "--dataset=maestro", "--input=DIR", f"--output={music}", "--format=npy"]
    ]
    assert "--transpose and --stretch" in told


def test_images_come_with_size_and_order_of_each_set(tmp_path):
    own = list(range(npy_sets.VALUES - 1, -1, -1))
    sets = [npy_sets.make_images(tmp_path, "rgb", "rgb"), npy_sets.make_images(tmp_path, "o", own)]
    first, second = prepared(card_data.tell(sets))
    assert first[-2:] == ["--image_size=4", "--order=rgb"]
    assert second[-2:] == ["--image_size=4", f"--order={sets[1]}/order.npy"]


def test_random_ids_are_nobodys():
    assert "nobody's" in card_data.tell([])
