"""python -m savedmodels.client: asks a model on TensorFlow Serving to continue a prompt."""

import os

# gRPC reads this when it is imported, which is later: what fails is told in one line.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from pipelines import command_line, sampling_flags
from pipelines.errors import RunError, UserError
from savedmodels.serving_client.client import Client
from savedmodels.serving_client.inputs import OFF
from savedmodels.serving_client.serving_error import ServingError

_SAMPLING = ("temperature", "top_p", "seed")  # what every signature takes


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    flags = command_line.parser("savedmodels.client", __doc__)
    flags.add_argument(
        "--target",
        required=True,
        help="HOST:8500 or grpcs://HOST:PORT for gRPC, http[s]://HOST:8501 for REST",
    )
    flags.add_argument("--model", required=True, help="the name the server knows it by")
    flags.add_argument(
        "--version", type=command_line.at_least(0), help="the newest loaded if left out"
    )
    flags.add_argument("--label", help="of a version, instead of its number")
    flags.add_argument("--prompt", default="", help="text to continue")
    flags.add_argument(
        "--max_new_tokens",
        type=command_line.at_least(0),
        default=256,
        help="bytes or pieces of words",
    )
    sampling_flags.add(flags, _SAMPLING)
    sampling_flags.add(flags, OFF, "of a model exported with --sampling: ")
    flags.add_argument("--stream", action="store_true", help="print the text as it arrives")
    flags.add_argument(
        "--tokens_at_a_time",
        type=command_line.at_least(1),
        default=16,
        help="with --stream: bytes of one request",
    )
    flags.add_argument(
        "--num_latents",
        type=command_line.at_least(1),
        help="with --stream: latents of the model, for the text of one long call at any length",
    )
    flags.add_argument("--timeout", type=float, default=60.0, help="seconds for a request")
    flags.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="sent with every request; may come several times",
    )
    flags.add_argument(
        "--ca_file", type=command_line.path, help="PEM file of the authorities trusted for TLS"
    )
    flags.add_argument(
        "--status", action="store_true", help="print versions and signatures, and stop"
    )
    flags = flags.parse_args(arguments)
    with command_line.user_errors(ValueError, ImportError, OSError):
        client = Client(
            flags.target,
            flags.model,
            version=flags.version,
            label=flags.label,
            timeout=flags.timeout,
            headers=_read_headers(flags.header),
            ca_file=flags.ca_file,
        )
    try:
        with client:
            _show_status(client) if flags.status else _generate(client, flags)
    except ServingError as error:
        raise (UserError if error.is_users else RunError)(str(error)) from error


def _read_headers(lines):
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise UserError("--header must be 'NAME: VALUE', got one without a colon")
        headers[name.strip()] = value.strip()
    return headers


def _show_status(client):
    for version in client.status():
        print(f"version {version['version']} {version['state']} {version['error']}".rstrip())
    found = client.metadata()
    print(f"signatures of version {found['version']}, with * where any size will do:")
    for name, signature in sorted(found["signatures"].items()):
        print(name)
        print(f"  inputs: {_tensors(signature['inputs'])}")
        print(f"  outputs: {_tensors(signature['outputs'])}")


def _tensors(specs):
    """Tensors as one line, such as "lengths int32 [*], token_ids int32 [*, 40]"."""
    shown = []
    for name, spec in sorted(specs.items()):
        sizes = ", ".join("*" if size is None else str(size) for size in spec["shape"])
        shown.append(f"{name} {spec['dtype']} [{sizes}]")
    return ", ".join(shown)


def _generate(client, flags):
    given = sampling_flags.given(flags)
    sampling = {
        "max_new_tokens": flags.max_new_tokens,
        **sampling_flags.read(flags, [*_SAMPLING, *(name for name in OFF if name in given)]),
    }
    if not flags.stream:
        print(flags.prompt + client.generate_text(flags.prompt, **sampling)["text"][0])
        return
    pieces = client.generate_text_stream(
        flags.prompt,
        tokens_at_a_time=flags.tokens_at_a_time,
        num_latents=flags.num_latents,
        **sampling,
    )
    print(flags.prompt, end="", flush=True)
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
    finally:
        print()  # an error begins a line of its own
