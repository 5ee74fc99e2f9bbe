"""How a card says to ask its model, and what to make of the answer: commands that work."""

import json
import os

from pipelines.data.codecs import ORDER_FILE
from pipelines.experiment.npy_set import load
from savedmodels import shell_text

ANSWER = "drawn.json"
_TRY = ["python", "savedmodels/try_plain.py"]
_PROMPT = "It was "
_NEW = 400  # tokens that are drawn at most
_READ = f"""
with open("{ANSWER}", encoding="utf-8") as file:
    ids = json.load(file)["token_ids"][0]"""
_IMAGE = f"""import json

from keras_perceiver_ar.codecs import image_codec
from pipelines import image_files
{_READ}
image = image_codec.decode(ids, {{size}}, {{order}})
image_files.write_grid(image[None], "drawn.png")"""
_PIANO = f"""import json

from keras_perceiver_ar.codecs import performance_codec
from pipelines import midi_files
{_READ}
midi_files.write(performance_codec.decode(ids), "drawn.mid")"""
_MIRRORED = f"""import json
{_READ}
print(ids[{{start}}:{{half}}][::-1], ids[{{half}}:])"""
_QUESTION = """import json
import random

ids = [2] + random.Random(0).choices(range(3, 259), k={number})
question = {{
    "token_ids": [ids],
    "lengths": [{half}],
    "max_new_tokens": [{new}],
    "seed": [0],
    "temperature": [0],
    "top_p": [1],
}}
with open("question.json", "w", encoding="utf-8") as file:
    json.dump(question, file)"""


def tell(version, context, data):
    """Markdown: a question to a version, and how the answer becomes text, a picture or notes.

    Args:
        version: str. Path of the version.
        context: int. Of the model.
        data: str or None. Folder of the set that it was trained on.
    """
    version = os.fspath(version)
    if data is None:
        return _tell_copy(version, context)
    codec = load(data).codec
    if codec["name"] == "image":
        python = _IMAGE.format(size=codec["size"], order=repr(codec["order"]))
        if codec["order"] == ORDER_FILE:
            order = f"np.load({os.path.join(data, ORDER_FILE)!r})"
            python = _IMAGE.format(size=codec["size"], order=order)
            python = python.replace("json\n", "json\n\nimport numpy as np", 1)
        # The row that fills the context, and the last value, which is no input.
        question = _ids(context, top_p=1.0)
        after = f"A whole image, value by value. The ids become a picture so:\n\n{_python(python)}"
    elif codec["name"] == "performance":
        question = _ids(min(context, _NEW), top_p=0.95)
        after = (
            "Events of a performance. The ids become MIDI so (`pipelines.sound_files.write` makes "
            f"sound of the same notes):\n\n{_python(_PIANO)}"
        )
    else:
        return _tell_text(version, context)
    return f"{_bash(_plain(version, question), ANSWER)}\n\n{after}"


def _tell_text(version, context):
    prompt = _PROMPT if context > 4 * len(_PROMPT) else ""
    new = min(_NEW, context - len(prompt))
    question = {"text": [prompt], **_sampling(new, top_p=0.95)}
    words = [*_plain(version, question), "--signature=generate_text"]
    return f"{_bash(words)}\n\n`text` is what comes after the prompt, {prompt!r}."


def _tell_copy(version, context):
    half = context // 2
    new = min(8, half - 1)
    python = _QUESTION.format(number=half - 1, half=half, new=new)
    words = [*_TRY, version, "-"]
    check = _MIRRORED.format(start=half - new, half=half)
    return (
        f"Half of a sequence, to be mirrored:\n\n{_python(python)}\n\n"
        f"{_bash(words, ANSWER, 'question.json')}\n\n"
        f"Its first {new} new ids, beside those that they should be:\n\n{_python(check)}"
    )


def _ids(new, top_p):
    return {"token_ids": [[2]], "lengths": [1], **_sampling(new, top_p)}


def _sampling(new, top_p):
    return {"max_new_tokens": [new], "seed": [0], "temperature": [1.0], "top_p": [top_p]}


def _plain(version, question):
    return [*_TRY, version, json.dumps(question)]


def _bash(words, output=None, given=None):
    redirected = f" < {given}" if given else ""
    redirected += f" > {output}" if output else ""
    return f"```bash\n{shell_text.command(words)}{redirected}\n```"


def _python(text):
    return f"```python\n{text}\n```"
