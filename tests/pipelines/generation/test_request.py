import pytest

from pipelines.errors import UserError
from pipelines.generation.prompt_files import Prompt
from pipelines.generation.request import IMAGE, MUSIC, TEXT, Request, check_length

NOTHING, SOMETHING = (Prompt(""),), (Prompt("a"),)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (TEXT, {}),
        (TEXT, {"output": "a"}),
        (TEXT, {"output": "a.txt", "prompt_tokens": 3}),
        (TEXT, {"output": "a.jsonl", "prompts": (Prompt("a", "line 1", True),)}),
        (IMAGE, {"output": "a.png"}),
        (IMAGE, {"output": "gs://nowhere/a.png", "prompts": SOMETHING, "keep_rows": 7}),
        (MUSIC, {"output": "a.mid", "prompts": SOMETHING, "prompt_seconds": 0.5}),
        (MUSIC, {"output": "a.wav", "prompts": SOMETHING, "prompt_tokens": 5}),
    ],
)
def test_what_goes_together(kind, settings):
    Request(**{"prompts": NOTHING, **settings}).check(kind, 8)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (TEXT, {"output": "a.png"}, "is text: give --output=FILE.txt, or FILE.jsonl, or none"),
        (TEXT, {"output": "a.WAV"}, "is text: give"),
        (TEXT, {"prompt_seconds": 1.0}, "--prompt_seconds is for music, .* generates text"),
        (TEXT, {"keep_rows": 1}, "--keep_rows is for images, .* generates text"),
        (TEXT, {"prompt_tokens": 0}, "--prompt_tokens must be an integer ≥ 1, got 0"),
        (
            TEXT,
            {"output": "/no/such/a.txt"},
            "cannot write '/no/such/a.txt': there is no folder '/no/such'",
        ),
        (TEXT, {"output": "/"}, "cannot write '/': it is a folder"),
        (TEXT, {"output": "gs://a/b.txt"}, "is written to local files alone, got 'gs://a/b.txt'"),
        (IMAGE, {}, "is no text: give --output=FILE.png$"),
        (IMAGE, {"output": "a.jpg"}, "give --output=FILE.png$"),
        (IMAGE, {"output": "a.png", "keep_rows": 2}, "--prompt=IMAGE.png and --keep_rows=ROWS"),
        (IMAGE, {"output": "a.png", "prompts": SOMETHING}, "and --keep_rows=ROWS together"),
        (IMAGE, {"output": "a.png", "prompt_tokens": 3}, "--prompt_tokens is for text and music"),
        (MUSIC, {"output": "a.png"}, "give --output=FILE.mid or FILE.wav$"),
        (MUSIC, {"output": "a.mid", "keep_rows": 1}, "--keep_rows is for images, .* music"),
        (MUSIC, {"output": "a.mid", "prompt_seconds": 0.0}, "--prompt_seconds must be .* > 0"),
        (
            MUSIC,
            {"output": "a.mid", "prompts": (Prompt("a", "line 1", True),)},
            "--prompts_file holds text, and this run generates music",
        ),
        *(
            (
                IMAGE,
                {"output": "a.png", "prompts": SOMETHING, "keep_rows": rows},
                f"--keep_rows must be an integer ≥ 1 and ≤ 7, got {rows}",
            )
            for rows in (-1, 0, 8)
        ),
    ],
)
def test_what_does_not(kind, settings, message):
    with pytest.raises(UserError, match=message):
        Request(**{"prompts": NOTHING, **settings}).check(kind, 8)


def test_a_prompt_may_fill_the_context():
    check_length(Prompt("a", "line 3 of x"), 40, 40)
    with pytest.raises(UserError, match="^line 3 of x has 41 tokens and the context .* is 40"):
        check_length(Prompt("a", "line 3 of x"), 41, 40)
