"""Flags of the measurements."""

import argparse
import dataclasses

from pipelines import command_line
from pipelines.benchmark import input_pipeline, workload

_CHOICES = {
    "model": workload.MODELS,
    "positions": workload.POSITIONS,
    "dtype": tuple(workload.POLICIES),
    "attention": workload.ATTENTION,
    "rematerialize": workload.REMATERIALIZE,
}
_HELP = {
    "model": "what is measured",
    "context": "inputs of a row; for transformer_xl those of a segment",
    "latents": "latents of perceiver_ar; the others predict at every input",
    "memory": "entries that transformer_xl remembers; by default as many as --context",
    "layers": "blocks, the cross-attend not counted",
    "width": "channels",
    "heads": "attention heads",
    "batch": "rows of a step",
    "vocab": "ids, the three reserved ones included",
    "positions": "how inputs know their places; transformer_xl knows distances instead",
    "dtype": "of the computation; weights and optimizer are float32 in any case",
    "dropout": "on the output of every attention and MLP",
    "attention": "how attention is computed; auto chooses by backend, device and size",
    "rematerialize": "what the backward pass computes again: nothing, the blocks of the stack, or "
    "the cross-attend as well",
}
# TensorFlow has those of a device only where it has the device; for TPU see `tensorflow-tpu`.
PLATFORMS = ("CPU", "CUDA", "TPU")
_CONTEXTS = "1024,2048,4096,8192,16384,32768,65536,131072"
_DEPTHS = "2,4,8,16,32"


def add_train_step(parser):
    """Adds the flags of `train_step`."""
    _add_workload(parser)
    _add_timing(parser)
    _add_loop(parser)
    parser.add_argument(
        "--jit",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile the step by XLA (TensorFlow; JAX always does)",
    )
    parser.add_argument(
        "--trace",
        type=command_line.path,
        metavar="DIR",
        help="write a profile of one more run there",
    )


def add_decode(parser):
    """Adds the flags of `decode`."""
    _add_workload(parser, "model", "context", "memory", "dropout", "rematerialize")
    _add_timing(parser)
    add = parser.add_argument
    add("--prompt", type=command_line.at_least(1), default=7936, help="tokens of each prompt")
    add("--new_tokens", type=command_line.at_least(2), default=256, help="tokens added to each")
    add("--temperature", type=_number, default=1.0, help="0 always takes the likeliest token")
    add("--top_p", type=_share, default=0.9, help="share of the probability that is drawn from")
    add("--refill", type=_or_word("half"), default="half", help="positions kept at a refill")
    add("--prefill", type=_or_word("all"), default="all", help="latents put on a prompt")


def add_input_pipeline(parser):
    """Adds the flags of `input_pipeline`."""
    add = parser.add_argument
    add("--task", choices=input_pipeline.TASKS, default="copy", help="what the batches are of")
    add(
        "--data",
        type=command_line.path,
        metavar="DIR",
        help="folder of books or shards, local or gs://",
    )
    context = command_line.at_least(2, workload.MAX_CONTEXT)
    add("--context", type=context, default=8192, help="inputs of a row")
    add("--batch", type=command_line.at_least(1), default=4, help="rows of a batch")
    add("--batches", type=command_line.at_least(1), default=50, help="batches of a timed run")
    _add_timing(parser)


def add_runtime(parser):
    """Adds the flags of `runtime`."""
    _add_workload(parser, "model", "memory")
    parser.add_argument(
        "--steps", type=command_line.at_least(2), default=100, help="steps of a timed run"
    )
    _add_timing(parser)


def add_sweep(parser):
    """Adds the flags of `sweep`."""
    _add_workload(parser, "model")
    _add_timing(parser)
    _add_loop(parser)
    add = parser.add_argument
    models, all_models = _list_of(_model), ",".join(workload.MODELS)
    add("--models", type=models, default=all_models, metavar="A,B", help="models to compare")
    sizes = _list_of(command_line.at_least(1))
    add("--contexts", type=sizes, default=_CONTEXTS, metavar="M,M", help="at --layers blocks")
    add("--depths", type=sizes, default=_DEPTHS, metavar="L,L", help="at --context inputs")
    add("--timeout", type=_number, default=1800.0, help="seconds that a point may take")
    add(
        "--chart",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="draw the chart, which needs matplotlib",
    )
    _add_output(parser, "folder for sweep.csv, sweep.png and sweep.svg")


def add_export_hlo(parser):
    """Adds the flags of `export_hlo`."""
    _add_workload(parser)
    add = parser.add_argument
    add("--output", type=command_line.path, required=True, metavar="FILE", help="where it goes")
    add("--platform", choices=PLATFORMS, default="CPU", help="whose kernels TensorFlow lowers with")


def add_chart(parser):
    """Adds the flags of `chart`."""
    _add_output(parser, "folder of a sweep.csv")


def read_workload(namespace):
    """The `Workload` of parsed flags; fields that have no flag keep their default."""
    given = [name for name in workload_names() if hasattr(namespace, name)]
    return workload.Workload(**{name: getattr(namespace, name) for name in given})


def workload_names(*without):
    """Names of the fields of `Workload`, less some."""
    names = [field.name for field in dataclasses.fields(workload.Workload)]
    return [name for name in names if name not in without]


def _add_workload(parser, *without):
    defaults = {field.name: field.default for field in dataclasses.fields(workload.Workload)}
    for name in workload_names(*without):
        parser.add_argument(
            f"--{name}",
            type=int if defaults[name] is None else type(defaults[name]),
            default=defaults[name],
            choices=_CHOICES.get(name),
            help=_HELP[name],
        )


def _add_timing(parser):
    add = parser.add_argument
    add("--runs", type=command_line.at_least(1), default=8, help="timed runs")
    add("--warmup", type=command_line.at_least(1), default=3, help="untimed ones before")


def _add_loop(parser):
    parser.add_argument(
        "--loop",
        type=command_line.at_least(1),
        default=4,
        help="steps of a timed run, started one after the other and waited for together: the host "
        "then works ahead of the device, as in training",
    )


def _add_output(parser, text):
    parser.add_argument("--output", type=command_line.path, required=True, metavar="DIR", help=text)


def _number(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a finite number ≥ 0, got {text!r}")
    return value


def _share(text):
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be > 0 and ≤ 1, got {text!r}")
    return value


def _or_word(word):
    return lambda text: word if text == word else command_line.at_least(1)(text)


def _list_of(kind):
    return lambda text: [kind(part) for part in text.split(",")]


def _model(text):
    if text not in workload.MODELS:
        raise argparse.ArgumentTypeError(f"must be of {', '.join(workload.MODELS)}, got {text!r}")
    return text
