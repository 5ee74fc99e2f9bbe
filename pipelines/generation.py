"""Text, images and music from a checkpoint."""

import sys

import numpy as np

import keras_perceiver_ar as kpar
from pipelines import checkpoints, configuration
from pipelines.checks import check_integer
from pipelines.command_line import user_errors
from pipelines.configuration import Experiment
from pipelines.errors import UserError
from pipelines.generation_progress import GenerationProgress
from pipelines.gin_checks import check_used


def continue_prompt(
    model_dir,
    prompt,
    max_new_tokens=None,
    prompt_tokens=None,
    checkpoint=None,
    temperature=1.0,
    top_p=0.95,
    seed=0,
    num_latents=None,
    output=None,
    bindings=(),
):
    """Continues a prompt with the newest checkpoint of a run, whose configuration gin has read.

    Args:
        model_dir: str.
        prompt: str, in the words of the run's task: text, or numbers for the copy task.
        max_new_tokens: int or None. None is 256 for text, and otherwise a whole image or as many
            as the context has room for.
        prompt_tokens: int or None. Of the prompt, the first so many tokens, its start not
            counted; None is all.
        checkpoint: int or None. Step; None is the newest.
        temperature: float.
        top_p: float.
        seed: int.
        num_latents: int or None.
        output: str or None. File for what is no text: .png or .mid, as the task has it.
        bindings: gin bindings of the command line, all of which must have an effect.

    Returns:
        str: prompt and continuation; None where they are no text and went to `output`.

    Raises:
        UserError: a prompt that does not fit the context, or a setting out of range.
    """
    experiment = configuration.make(Experiment)
    task = experiment.task
    suffix = getattr(task, "suffix", None)
    if suffix and not str(output or "").endswith(suffix):
        raise UserError(f"what this run generates is no text: give --output=FILE{suffix}")
    model = experiment.make_model()
    check_used(bindings)
    checkpoints.restore_weights(model_dir, model, checkpoint)
    token_ids = task.encode(prompt)
    if prompt_tokens is not None:
        check_integer("--prompt_tokens", prompt_tokens)
        token_ids = token_ids[: prompt_tokens + 1]
    context = model.backbone.max_context
    if len(token_ids) > context:
        raise UserError(
            f"the prompt has {len(token_ids)} tokens and the context of the model is {context}: "
            "shorten the prompt, or take its beginning with --prompt_tokens"
        )
    room = context + 1 - len(token_ids)  # nothing reads the last token
    positions = getattr(task, "positions", None)
    if positions is not None:  # which every document has as many of
        room = min(room, len(positions) - len(token_ids))
    if max_new_tokens is None:
        max_new_tokens = room if suffix else min(256, room)
    if max_new_tokens > room:
        raise UserError(
            f"the prompt has {len(token_ids)} tokens, its start included, and the context of the "
            f"model is {context}: --max_new_tokens can be at most {room}, got {max_new_tokens}"
        )
    inputs = {"token_ids": np.asarray([token_ids])}
    if positions is not None:
        inputs["positions"] = positions[None]
    progress = GenerationProgress(len(token_ids), max_new_tokens)
    if suffix:
        print(f"drawing up to {max_new_tokens:,} tokens", file=sys.stderr)
    with user_errors(ValueError):
        result = model.generate(
            inputs,
            max_new_tokens,
            sampler=kpar.generation.Sampler(temperature, top_p),
            seed=seed,
            num_latents=num_latents,
            on_step=progress.on_step,
        )
    progress.end()
    found = result["token_ids"][0, : result["lengths"][0]]
    if not suffix:
        return task.decode(found)
    if positions is not None and len(found) < len(positions):
        part = f"{len(found) - 1:,} of {len(positions) - 1:,} values of the image"
        print(f"drew {part}: the rest is black", file=sys.stderr)
    return task.write(found, output)
