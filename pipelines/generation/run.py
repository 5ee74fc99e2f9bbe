"""A generation from the checkpoint to the files."""

import os
import sys

import keras_perceiver_ar as kpar
from pipelines import checkpoints, gin_reading
from pipelines.command_line import user_errors
from pipelines.configuration import Experiment
from pipelines.errors import UserError
from pipelines.generation import batches, prompts
from pipelines.generation.image_output import ImageOutput
from pipelines.generation.json_output import JsonOutput
from pipelines.generation.music_output import MusicOutput
from pipelines.generation.progress import GenerationProgress
from pipelines.generation.request import IMAGE, JSON_LINES, MUSIC, TEXT
from pipelines.generation.text_output import TextOutput
from pipelines.gin_checks import check_used
from pipelines.slide_checks import check_slide

_MORE = "; with --slide the oldest tokens leave, and there is no end"


def generate(model_dir, request, checkpoint=None, bindings=()):
    """Continues prompts with the newest checkpoint of a run, whose configuration gin has read.

    Args:
        model_dir: str.
        request: `Request`.
        checkpoint: int or None. Step; None is the newest.
        bindings: gin bindings of the command line, all of which must have an effect.

    Raises:
        UserError: a prompt that does not fit the context, or a setting out of range.
    """
    experiment = gin_reading.make(Experiment)
    task = experiment.task
    kind = prompts.kind_of(task)
    request.check(kind, task.codec.size if kind == IMAGE else None)
    model = experiment.make_model()
    check_used(bindings)
    check_slide(request.slide, model.backbone, request.num_latents)
    with user_errors(ValueError):
        sampler = (
            kpar.generation.Sampler(**request.sampling)
            if request.beam is None
            else kpar.generation.BeamSearch(**request.beam)
        )
    context, positions = model.backbone.max_context, getattr(task, "positions", None)
    rows = prompts.encode(task, request, context)
    if request.beam is not None and any(row.forced is not None for row in rows):
        raise UserError(
            "--beam and --keep_rows do not go together here: the order of this model's values has "
            "kept ones behind those that are drawn"
        )
    max_new_tokens = _most(request, kind, rows, context, positions)
    step = checkpoints.restore_weights(model_dir, model, checkpoint, is_told=True)
    rows = [row for row in rows for _ in range(request.samples)]
    if kind == TEXT:
        print("compiling", file=sys.stderr, flush=True)
    else:
        of_rows = f" for each of {len(rows):,} rows" if len(rows) > 1 else ""
        doing = "drawing" if request.beam is None else "searching"
        print(f"{doing} up to {max_new_tokens:,} tokens{of_rows}", file=sys.stderr)
    output = _output(task, kind, request, _title(model_dir, step, request))
    is_text_shown = isinstance(output, TextOutput) and sys.stdout.isatty()
    progress = GenerationProgress(
        len(rows) * max_new_tokens,
        # A search tells its text when it is found.
        is_shown=request.beam is not None or not is_text_shown,
        verb="drew" if request.beam is None else "searched",
    )
    with output, progress:
        batches.draw(
            model,
            rows,
            request.seed,
            request.batch_size,
            max_new_tokens,
            output,
            progress,
            positions=positions,
            sampler=sampler,
            num_latents=request.num_latents,
            slide=request.slide,
            masks=getattr(task, "masks", ()),
        )
    progress.end()  # behind the files, which are there whatever becomes of this line


def _most(request, kind, rows, context, positions):
    """Tokens to draw for each row, at most.

    Raises:
        UserError: there is no room for as many as were asked for.
    """
    longest = max(range(len(rows)), key=lambda index: len(rows[index].token_ids))
    num_tokens, prompt = len(rows[longest].token_ids), request.prompts[longest]
    room = context + 1 - num_tokens  # nothing reads the last token
    if request.slide is not None and request.max_new_tokens is not None:
        return request.max_new_tokens
    if positions is not None:  # which every document has as many of
        room = min(room, len(positions) - num_tokens)
    if request.max_new_tokens is None:
        return min(256, room) if kind == TEXT else room
    if request.max_new_tokens > room:
        raise UserError(
            f"{prompt.name} has {num_tokens} tokens, its start included, and the context of the "
            f"model is {context}: --max_new_tokens can be at most {room}, "
            f"got {request.max_new_tokens}{_MORE if positions is None else ''}"
        )
    return request.max_new_tokens


def _title(model_dir, step, request):
    """By which model something is drawn, and how."""
    settings = request.sampling if request.beam is None else request.beam
    told = [
        f"{name} {value}"
        for name, value in settings.items()
        if name in ("temperature", "top_p") or value not in (None, 0, 1)  # which change nothing
    ]
    name = os.path.basename(os.path.normpath(model_dir))
    return ", ".join([f"Drawn by {name}, step {step:,}", *told])


def _output(task, kind, request, title):
    if kind == IMAGE:
        return ImageOutput(task, request.output)
    if kind == MUSIC:
        return MusicOutput(request.output, request.num_rows, title)
    if (request.output or "").endswith(JSON_LINES):
        return JsonOutput(task.decode, request.output)
    return TextOutput(task.decode, request.num_rows, request.output)
