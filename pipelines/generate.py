"""python -m pipelines.generate: continues a prompt, or draws an image or a performance."""

from pipelines import command_line, sampling_flags
from pipelines.errors import UserError
from pipelines.generation import early_checks, prompt_files
from pipelines.generation.request import MOST_BEAMS, MOST_NEW_TOKENS, MOST_SAMPLES, Request


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("pipelines.generate", __doc__)
    command_line.add_model_dir(flags, "of a training run, local or gs://")
    flags.add_argument("--checkpoint", type=int, help="step; the newest if left out")
    _add_prompt(flags)
    _add_drawing(flags)
    flags.add_argument(
        "--output",
        type=command_line.path,
        help="file for what is generated. Text: FILE.txt gets what is printed, FILE.jsonl an "
        "object a line (prompt, seed, text, log_prob, tokens). Images: FILE.png, several in a "
        "grid. Music: FILE.mid, or FILE.wav, beside which FILE.mid and a picture of the notes, "
        "FILE.png, are written; several are numbered",
    )
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)
    request = _request(flags)
    if not (flags.gin_file or flags.gin_bindings):  # a binding may change what the run is
        early_checks.check(request, flags.model_dir)

    from pipelines import configuration
    from pipelines.generation.run import generate

    configuration.read_model_dir(flags.model_dir, flags.gin_file, flags.gin_bindings)
    generate(flags.model_dir, request, flags.checkpoint, flags.gin_bindings)


def _add_prompt(flags):
    prompt = flags.add_mutually_exclusive_group()
    prompt.add_argument(
        "--prompt",
        default="",
        help="what to continue: text, the numbers of a copy task, the path of a MIDI file for "
        "music or of an image for images (with --keep_rows)",
    )
    prompt.add_argument(
        "--prompt_file", type=command_line.path, help="a file of what to continue, UTF-8"
    )
    prompt.add_argument(
        "--prompts_file",
        type=command_line.path,
        help="a file of texts to continue, one a line; in FILE.jsonl a line is a JSON string, or "
        "an object with one under prompt",
    )
    part = flags.add_mutually_exclusive_group()
    part.add_argument(
        "--prompt_tokens",
        type=int,
        help="of a prompt, only the first so many tokens; all of it if left out",
    )
    part.add_argument(
        "--prompt_seconds",
        type=float,
        help="of a MIDI file, only what happens in the first so many seconds",
    )
    flags.add_argument(
        "--keep_rows",
        type=int,
        help="rows of pixels of the prompt image that are kept, from the top; the others are drawn",
    )


def _add_drawing(flags):
    flags.add_argument(
        "--max_new_tokens",
        type=command_line.at_least(1, MOST_NEW_TOKENS),
        help="bytes or pieces of text, by default 256; colour values, by default the whole image; "
        "events of music; by default never more than the context has room for",
    )
    flags.add_argument(
        "--samples",
        type=command_line.at_least(1, MOST_SAMPLES),
        default=1,
        help="how often to continue each prompt; the first has the seed, the next ones those after",
    )
    flags.add_argument(
        "--batch_size",
        type=command_line.at_least(1),
        default=8,
        help="how many to draw at once, at most",
    )
    sampling_flags.add(flags)
    flags.add_argument(
        "--beam",
        type=command_line.at_least(1, MOST_BEAMS),
        metavar="WIDTH",
        help="draws nothing, but searches for the likeliest continuation, of which so many "
        "beginnings are kept at every step; it is told when it is found",
    )
    flags.add_argument(
        "--length_penalty",
        type=float,
        help="with --beam: log-probabilities are divided by this power of the number of tokens; "
        "0, which favours short texts, if left out, and 1 ranks by the mean",
    )
    command_line.add_slide(flags)
    flags.add_argument(
        "--num_latents",
        type=int,
        help="how many inputs the model thinks on, at most the context; as in training if left out",
    )


def _beam(flags):
    """What a `BeamSearch` is made of, or None.

    Raises:
        UserError: a flag that has no meaning beside another.
    """
    if flags.beam is None:
        if flags.length_penalty is not None:
            raise UserError("--length_penalty ranks what --beam finds: give --beam=WIDTH as well")
        return None
    wrong = sampling_flags.given(flags)
    if wrong:
        raise UserError(
            f"--{wrong[0]} is for drawing and --beam draws nothing: give one of them alone"
        )
    if flags.samples > 1:
        raise UserError(
            "--samples and --beam do not go together: a search finds the same every time, and the "
            "best alone is told"
        )
    if flags.slide is not None:
        raise UserError("--slide and --beam do not go together: a search ends with the context")
    return {"width": flags.beam, "length_penalty": flags.length_penalty or 0.0}


def _request(flags):
    prompts = (prompt_files.Prompt(prompt_files.from_argument(flags.prompt)),)
    if flags.prompt_file is not None:
        prompts = prompt_files.read_one(flags.prompt_file)
    if flags.prompts_file is not None:
        prompts = prompt_files.read_lines(flags.prompts_file)
    return Request(
        prompts,
        flags.output,
        prompt_tokens=flags.prompt_tokens,
        prompt_seconds=flags.prompt_seconds,
        keep_rows=flags.keep_rows,
        max_new_tokens=flags.max_new_tokens,
        samples=flags.samples,
        batch_size=flags.batch_size,
        sampling=sampling_flags.read(flags, sampling_flags.SAMPLER),
        beam=_beam(flags),
        slide=command_line.read_slide(flags),
        **sampling_flags.read(flags, ["seed"]),
        num_latents=flags.num_latents,
    )


if __name__ == "__main__":
    command_line.run(main)
