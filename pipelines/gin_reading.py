"""Files and bindings into gin. Imports no TensorFlow."""

import re

import gin
from pipelines.command_line import user_errors
from pipelines.errors import MissingValue
from pipelines.gin_checks import check_macros


def parse(files, bindings):
    """Reads gin files, then bindings.

    Args:
        files: list of str.
        bindings: list of str.

    Raises:
        UserError: a file that cannot be read, an unknown name, a value that is required and
            missing.
    """
    kinds = (ValueError, SyntaxError, OSError, ImportError, AttributeError)
    with user_errors(*kinds):
        gin.parse_config_files_and_bindings(files, [], finalize_config=False)
    for binding in bindings:
        with user_errors(*kinds, hint=f" (in --gin_bindings={binding!r})"):
            gin.parse_config(binding)
    check_macros(bindings)
    missing = re.findall(r"^(\w+) = %gin.REQUIRED", gin.config_str(), re.MULTILINE)
    if missing:
        raise MissingValue(missing)


def make(configurable):
    """Calls a gin configurable.

    Raises:
        UserError: settings that are missing or refused.
    """
    with user_errors(ValueError, TypeError, RuntimeError):
        return configurable()
