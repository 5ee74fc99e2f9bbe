"""python -m pipelines.demo: the whole way in minutes, from data to a served model.

Without `--text` it teaches a small model to copy; with it, to write like a folder of .txt files.
Each stage is a command of its own, which is shown.
"""

import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import time

from pipelines import command_line
from pipelines.errors import UserError

HALF = list(range(3, 18))  # 15 data ids: with SOS, EOS and the mirror image, 32 positions


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("pipelines.demo", __doc__)
    flags.add_argument("--text", help="a folder of .txt files to learn from")
    flags.add_argument(
        "--output", default="demo_output", type=command_line.path, help="where everything goes"
    )
    flags = flags.parse_args(arguments)
    output = pathlib.Path(flags.output) / ("text" if flags.text else "copy")
    model_dir, exported = output / "model", output / "savedmodel"
    if flags.text and not pathlib.Path(flags.text).is_dir():
        raise UserError(f"{flags.text} is not a folder: give TEXT=a folder of .txt files")
    _clear(output)
    start = time.monotonic()
    if flags.text:
        _show_text(flags.text, model_dir, exported)
    else:
        _show_copy(model_dir, exported)
    # For the copy task the half that was shown, in the numbers that the command takes.
    prompt = "The " if flags.text else " ".join(str(token - HALF[0]) for token in HALF)
    print(
        f"\nDone in {time.monotonic() - start:.0f} s. What you have now:\n"
        f"  {model_dir}  checkpoints, operative_config.gin, train_log.jsonl, TensorBoard logs\n"
        f"  {exported}/1  the SavedModel, for TF Serving\n"
        "What to try next:\n"
        f"  .venv/bin/tensorboard --logdir {model_dir}\n"
        f'  .venv/bin/python -m pipelines.generate --model_dir {model_dir} --prompt="{prompt}" '
        "--temperature=0"
    )
    if not flags.text:
        print("  make demo TEXT=a/folder/of/txt/files")


def _show_copy(model_dir, exported):
    _train("gin/runs/copy_32_tiny.gin", [], model_dir)
    results = _evaluate(model_dir)
    print(f"accuracy={results['accuracy']:.4f}")
    _run("savedmodels.export", "--model_dir", model_dir, "--output", exported)
    inputs = {
        "token_ids": [[2, *HALF]],
        "lengths": [1 + len(HALF)],
        "max_new_tokens": [1 + len(HALF)],
        **_greedy(),
    }
    completed = _ask_plain(exported / "1", "generate", inputs)["token_ids"][0]
    print(f"\nA process with TensorFlow alone completes\n  {HALF}\nto\n  {completed[1:-1]}")
    if completed != [2, *HALF, *reversed(HALF), 1]:
        sys.exit("error: that is not the mirrored sequence")
    print("which is the mirrored sequence.")


def _show_text(folder, model_dir, exported):
    data = json.dumps(str(pathlib.Path(folder).resolve()))
    _train("gin/runs/text_tiny.gin", [f"DATA = {data}"], model_dir)
    results = _evaluate(model_dir)
    print(f"bits_per_byte={results['bits_per_byte']:.4f}")
    _run("savedmodels.export", "--model_dir", model_dir, "--output", exported)
    prompt = "The "
    inputs = {"text": [prompt], "max_new_tokens": [200], **_greedy()}
    inputs |= {"temperature": [0.8], "top_p": [0.95]}
    answer = _ask_plain(exported / "1", "generate_text", inputs)
    print(f"\nA process with TensorFlow alone continues {prompt!r}:\n\n{prompt}{answer['text'][0]}")


def _greedy():
    return {"seed": [0], "temperature": [0.0], "top_p": [1.0]}


def _clear(output):
    """Makes an empty folder; removes an earlier demonstration for it, and nothing else."""
    marker = output / ".perceiver_ar_demo"
    with command_line.user_errors(OSError):
        if marker.exists():
            shutil.rmtree(output)
        elif output.exists() and any(output.iterdir()):
            raise UserError(f"{output} is not from an earlier demonstration: choose another OUTPUT")
        output.mkdir(parents=True, exist_ok=True)
        marker.touch()


def _train(run, bindings, model_dir):
    flags = [f"--gin_bindings={binding}" for binding in bindings]
    _run("pipelines.train", f"--gin_file={run}", *flags, "--model_dir", model_dir)


def _evaluate(model_dir):
    output = model_dir / "metrics.json"
    _run("pipelines.evaluate", "--model_dir", model_dir, "--output", output)
    return json.loads(output.read_text())


def _run(module, *arguments):
    command = [sys.executable, "-m", module, *map(str, arguments)]
    _show(command)
    status = subprocess.run(command).returncode
    if status:
        sys.exit(status if status > 0 else 128 - status)


def _show(command):
    """A command as it can be typed in this folder."""
    interpreter = pathlib.Path(command[0])
    if interpreter.is_relative_to(pathlib.Path.cwd()):
        interpreter = interpreter.relative_to(pathlib.Path.cwd())
    print(f"\n$ {shlex.join([str(interpreter), *command[1:]])}", flush=True)


def _ask_plain(version, signature, inputs):
    script = pathlib.Path(__file__).parent.parent / "savedmodels" / "try_plain.py"
    command = [sys.executable, str(script), str(version), json.dumps(inputs)]
    command += ["--signature", signature]
    _show(command)
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        sys.exit(answer.returncode)
    return json.loads(answer.stdout)


if __name__ == "__main__":
    command_line.run(main)
