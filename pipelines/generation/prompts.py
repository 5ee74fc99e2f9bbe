"""Prompts as rows of tokens, those that are given further behind included.

T tokens of a prompt, its start included; E events of a document of a fixed length.
"""

import io
import os
from typing import NamedTuple

import numpy as np

from keras_perceiver_ar.codecs import image_codec, performance_codec
from pipelines import image_files, remote
from pipelines.generation.early_checks import check_image
from pipelines.generation.request import IMAGE, MUSIC, TEXT, check_length


class Row(NamedTuple):
    """What one row begins with.

    Attributes:
        token_ids: int32 (T,), T ≥ 1.
        forced: int32 (E,) or None. Tokens that are prescribed at their places, 0 where the model
            draws.
    """

    token_ids: np.ndarray
    forced: np.ndarray | None = None


def kind_of(task):
    """`TEXT`, `IMAGE` or `MUSIC`: what a task's tokens stand for."""
    return {".png": IMAGE, ".mid": MUSIC}.get(getattr(task, "suffix", None), TEXT)


def encode(task, request, context):
    """The rows that a request's prompts begin.

    Args:
        task: of the run.
        request: `Request`, checked.
        context: int. M.

    Returns:
        list of `Row`, one for each prompt.

    Raises:
        UserError: a prompt that is none, or does not fit the context.
    """
    kind = kind_of(task)
    rows = []
    for prompt in request.prompts:
        if kind == IMAGE and prompt.text:
            row = _upper_rows(task, os.path.expanduser(prompt.text), request.keep_rows)
        else:
            text = os.path.expanduser(prompt.text) if kind == MUSIC else prompt.text
            token_ids = np.asarray(task.encode(text), np.int32)
            row = Row(_beginning(token_ids, request))
        check_length(prompt, len(row.token_ids), context)
        rows.append(row)
    return rows


def _beginning(token_ids, request):
    """The part of a prompt that is asked for."""
    if request.prompt_tokens is not None:
        return token_ids[: request.prompt_tokens + 1]
    if request.prompt_seconds is not None:
        times = performance_codec.times(token_ids)
        return token_ids[: np.searchsorted(times, request.prompt_seconds, side="right")]
    return token_ids


def _upper_rows(task, path, keep_rows):
    """The upper rows of an image file: what comes first is the prompt, the rest is prescribed.

    Where the order goes row by row that is all of it; of colour after colour it is the first one.
    """
    size, order = task.codec.size, image_codec.order(task.codec.size, task.codec.order)
    content = remote.content(path, ": check that it is there and may be read")
    check_image(io.BytesIO(content), size, repr(path))
    image = image_files.read(content, size, repr(path))
    is_given = order < keep_rows * size * image_codec.NUM_CHANNELS
    known = np.where(is_given, image_codec.encode(image, order), 0)
    events = np.concatenate([task.encode(""), known]).astype(np.int32)
    first = len(events) if is_given.all() else 1 + int(np.argmin(is_given))
    is_more = is_given[first - 1 :].any()
    return Row(events[:first], events if is_more else None)
