"""Arguments of a client, read or refused."""

import numbers
import re
import ssl


def check_model(model, version, label):
    """Refuses what names no model: str, int or None, str or None.

    Raises:
        ValueError: names the argument.
    """
    for name, value in (("model", model), ("label", label)):
        if not isinstance(value, str | None) or value == "" or (name, value) == ("model", None):
            raise ValueError(f"{name} must be a name, got {value!r}")
        if value is not None and re.search("[\ud800-\udfff]", value):
            raise ValueError(f"{name} must be valid Unicode, got {value!r}")
    if version is not None:
        check_integer("version", version, 0, 2**63 - 1)
        if label is not None:
            raise ValueError("version and label cannot both be given")


def check_integer(name, value, least, most):
    """Refuses what is no integer from `least` to `most`.

    Raises:
        ValueError: names the argument.
    """
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or not least <= value <= most:
        raise ValueError(f"{name} must be an integer ≥ {least} and ≤ {most}, got {value!r}")


def read_headers(headers):
    """Names and values that both protocols can send, dict of str.

    Raises:
        ValueError: names the header. Its value is a secret, and is not quoted.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ValueError(f"the name of a header must be letters, digits, _.-, got {name!r}")
        if name.lower().endswith("-bin"):
            raise ValueError(f"the header {name} would be binary to gRPC: its name ends with -bin")
        if not isinstance(value, str) or not re.fullmatch(r"[ -~]*", value):
            raise ValueError(f"the header {name} must be printable ASCII")
    return dict(headers)


def read_authorities(ca_file):
    """PEM text of a file of certificates.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds none.
    """
    try:
        with open(ca_file, encoding="ascii") as file:
            text = file.read()
        ssl.create_default_context().load_verify_locations(cadata=text)
    except (UnicodeDecodeError, ssl.SSLError) as error:
        raise ValueError(
            f"ca_file must be a PEM file of certificates, {ca_file} is none"
        ) from error
    return text


def check_seconds(name, seconds, optional):
    """Refuses what is no time.

    Raises:
        ValueError: names the argument.
    """
    if seconds is None and optional:
        return
    if not isinstance(seconds, numbers.Real) or not 0 < seconds < float("inf"):
        raise ValueError(f"{name} must be a number of seconds above 0, got {seconds!r}")
