"""python -m pipelines.generate: continues a prompt, or draws an image or a performance."""

import ast
import json
import pathlib
import re

from pipelines import command_line
from pipelines.errors import UserError


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("pipelines.generate", __doc__)
    command_line.add_model_dir(flags, "of a training run, local or gs://")
    flags.add_argument("--checkpoint", type=int, help="step; the newest if left out")
    prompt = flags.add_mutually_exclusive_group()
    prompt.add_argument(
        "--prompt",
        default="",
        help="what to continue: text, the numbers of a copy task, or the path of a MIDI file for "
        "music; images take none",
    )
    prompt.add_argument(
        "--prompt_file", type=command_line.path, help="a file of what to continue, UTF-8"
    )
    flags.add_argument(
        "--prompt_tokens",
        type=int,
        help="of the prompt, only the first so many tokens; all of it if left out",
    )
    flags.add_argument(
        "--max_new_tokens",
        type=int,
        help="bytes or pieces of text, by default 256; colour values, by default the whole image; "
        "events of music; by default never more than the context has room for",
    )
    flags.add_argument("--temperature", type=float, default=1.0, help="0 is greedy")
    flags.add_argument("--top_p", type=float, default=0.95, help="1 draws from all tokens")
    flags.add_argument(
        "--seed", type=int, default=0, help="the same one draws the same; another, something else"
    )
    flags.add_argument(
        "--num_latents",
        type=int,
        help="how many inputs the model thinks on, at most the context; as in training if left out",
    )
    flags.add_argument(
        "--output",
        type=command_line.path,
        help="file for prompt and continuation; images need FILE.png, music FILE.mid",
    )
    command_line.add_gin_flags(flags, required=False)
    flags = flags.parse_args(arguments)
    prompt = flags.prompt if flags.prompt_file is None else _read(flags.prompt_file)
    if not (flags.gin_file or flags.gin_bindings):
        _check_output(flags.output, flags.model_dir)

    from pipelines import configuration
    from pipelines.generation import continue_prompt

    configuration.read_model_dir(flags.model_dir, flags.gin_file, flags.gin_bindings)
    text = continue_prompt(
        flags.model_dir,
        prompt,
        flags.max_new_tokens,
        prompt_tokens=flags.prompt_tokens,
        checkpoint=flags.checkpoint,
        temperature=flags.temperature,
        top_p=flags.top_p,
        seed=flags.seed,
        num_latents=flags.num_latents,
        output=flags.output,
        bindings=flags.gin_bindings,
    )
    if text is None:
        text = f"wrote {flags.output}"
    elif flags.output:  # first, as a terminal can fail
        with command_line.user_errors(OSError):
            pathlib.Path(flags.output).write_text(text + "\n", encoding="utf-8")
    print(text)


def _check_output(output, model_dir):
    """Refuses what `continue_prompt` would, before TensorFlow is loaded, which takes seconds.

    It looks where the data of a run usually is; whatever it does not find there is left for later.
    """
    try:
        config = (pathlib.Path(model_dir) / "operative_config.gin").read_text(encoding="utf-8")
        data = re.search(r"^DATA = (.*(?:\n .*)*)", config, re.MULTILINE)[1]
        data = ast.literal_eval(data.replace("\\\n", ""))  # gin breaks long lines
        manifest = pathlib.Path(data).expanduser() / "manifest.json"
        codec = json.loads(manifest.read_text(encoding="utf-8"))["codec"]["name"]
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, RecursionError):
        return
    suffix = {"image": ".png", "performance": ".mid"}.get(codec)
    if suffix and not (output or "").endswith(suffix):
        raise UserError(f"what this run generates is no text: give --output=FILE{suffix}")


def _read(path):
    with command_line.user_errors(OSError):
        data = pathlib.Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")  # a byte order mark is no text: training drops it too
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 (byte {error.start}): convert it, with iconv for instance"
        ) from error


if __name__ == "__main__":
    command_line.run(main)
