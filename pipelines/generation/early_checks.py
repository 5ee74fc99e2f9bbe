"""What can be refused before TensorFlow is loaded, which takes seconds.

All of it is looked at again later: what is not found here, or not understood, is passed over.
"""

import ast
import json
import pathlib
import re
import warnings

from pipelines.errors import UserError
from pipelines.generation.request import IMAGE, MUSIC, TEXT, check_length

# By the names that pipelines.checkpoints and pipelines.data.manifest give them.
_MODEL, _CONFIG, _MANIFEST = "model.json", "operative_config.gin", "manifest.json"
_KINDS = {"bytes": TEXT, "sentencepiece": TEXT, "image": IMAGE, "performance": MUSIC}
# Those that pipelines.image_files reads.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
_TEXT_TASKS = ("BooksTask", "CopyTask")


def check(request, model_dir):
    """Refuses a request that a run cannot serve, as far as its directory says so.

    Args:
        request: `Request`.
        model_dir: str.

    Raises:
        UserError: as `Request.check`, a prompt of bytes that is longer than the context, or an
            image that is no prompt.
    """
    try:
        saved = json.loads((pathlib.Path(model_dir) / _MODEL).read_text(encoding="utf-8"))
        task, context = saved["task"], int(saved["max_context"])
        codec = {"name": "bytes"} if task in _TEXT_TASKS else _codec(model_dir)
        kind, size = _KINDS[codec["name"]], codec.get("size")
        size = None if size is None else int(size)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, RecursionError):
        return
    request.check(kind, size)
    if codec["name"] == "bytes" and task != "CopyTask":
        for prompt in request.prompts:
            num_bytes = len(prompt.text.encode("utf-8", "surrogateescape"))
            if request.prompt_tokens is not None:
                num_bytes = min(num_bytes, request.prompt_tokens)
            check_length(prompt, num_bytes + 1, context)
    if kind == IMAGE and request.prompts[0].text and size is not None:
        path = pathlib.Path(request.prompts[0].text).expanduser()
        check_image(path, size, repr(str(path)))


def _codec(model_dir):
    """The codec of a run's shards, where they usually are."""
    config = (pathlib.Path(model_dir) / _CONFIG).read_text(encoding="utf-8")
    data = re.search(r"^DATA = (.*(?:\n .*)*)", config, re.MULTILINE)[1]
    data = ast.literal_eval(data.replace("\\\n", ""))  # gin breaks long lines
    manifest = pathlib.Path(data).expanduser() / _MANIFEST
    return json.loads(manifest.read_text(encoding="utf-8"))["codec"]


def check_image(source, size, name):
    """Refuses an image whose pixels are not those that a model draws; looks at its head alone.

    Args:
        source: path, or file object. One that is no image will do: reading it says so.
        size: int. Side of the model's images.
        name: str. What a message calls it.

    Raises:
        UserError: it would have to be resized or converted.
    """
    try:
        from PIL import Image

        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(source, formats=_FORMATS) as image,
        ):
            shape, mode = image.size, image.mode
    except Exception:  # of any kind, as the bytes will have it
        return
    if shape != (size, size):
        raise UserError(
            f"{name} has {shape[0]} × {shape[1]} pixels and the images of this model {size} × "
            f"{size}: cut or scale it first"
        )
    if mode != "RGB":
        raise UserError(f"{name} has the mode {mode}, not RGB of 8 bits: convert it first")
