"""Questions on a card fit the model. `test_trained` follows them."""

import json
import re
import shlex

import pytest

from savedmodels import card_usage
from tests.pipelines.experiment import npy_sets


def question(told):
    """Words of the command, and the inputs that it gives."""
    (block,) = re.findall(r"```bash\n(.*?)```", told, re.DOTALL)
    words = shlex.split(block.replace("\\\n", " "))
    return words, json.loads(words[3])


@pytest.mark.parametrize(("context", "prompt", "new"), [(4, "", 4), (64, "It was ", 57)])
def test_text_has_room_behind_its_prompt(tmp_path, context, prompt, new):
    words, inputs = question(card_usage.tell("a b/1", context, npy_sets.make_books(tmp_path)))
    assert words[2] == "a b/1" and words[-1] == "--signature=generate_text"
    assert inputs["text"] == [prompt] and inputs["max_new_tokens"] == [new]


def test_a_performance_is_no_longer_than_the_context(tmp_path):
    music = npy_sets.make_music(tmp_path)
    for context, new in ((24, 24), (8192, 400)):
        _, inputs = question(card_usage.tell("a/1", context, music))
        assert inputs["lengths"] == [1] and inputs["max_new_tokens"] == [new]


def test_a_question_of_copies_is_on_no_command_line():
    """Of 65,536 ids it would not fit there."""
    told = card_usage.tell("a/1", 131_072, None)
    assert "try_plain.py a/1 - < question.json" in told and "k=65535" in told
    assert "ids[65528:65536][::-1]" in told
