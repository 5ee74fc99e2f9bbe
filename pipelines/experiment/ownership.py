"""Whose a table is: one process at a time, and one choice of settings, may go on with it."""

import contextlib
import hashlib
import json
import re

import gin
from pipelines import locks
from pipelines.errors import RunError, UserError
from pipelines.experiment import npy_set
from pipelines.experiment.table import write_whole

# What may be asked for later: the rows that are there stay as they are.
_GROWING = re.compile(r"\w+Experiment\.(seeds|contexts|evaluated|positions)")
_FOLDERS = ("Language.data", "OrdersExperiment.folders")


@contextlib.contextmanager
def owned(path, experiment):
    """Keeps a table, and all that lies beside it, to this process and to these settings.

    The settings are written beside the table, PATH.settings.json, before anything is trained. Sets
    of documents are known by what they hold, not by where they lie.

    Args:
        path: path of the table, without its ending.
        experiment: `Experiment` that gin has made.

    Raises:
        UserError: another process works there, or what is there was begun with other settings or
            documents.
        RunError: what it does there cannot be written.
    """
    try:
        with _alone(path):
            _settle(path, {"settings": _settings(), "data": _data(experiment)})
            yield
    except OSError as error:
        raise RunError(
            f"cannot write {str(path.parent)!r} ({error.strerror or error}): put it right, and the "
            "same command goes on"
        ) from error


@contextlib.contextmanager
def _alone(path):
    """Holds the lock of a table, and removes what killed processes left beside it."""
    refusal = (
        f"another process works on {path.name} in {str(path.parent)!r} now: wait for it, or give "
        "each an --output of its own"
    )
    with locks.alone(path.with_name(f".{path.name}.lock"), refusal):
        # Nobody writes them any more: `write_whole` of processes that were killed.
        for left in path.parent.glob(f".*.{path.name}[._]*"):
            if re.match(r"\.\d+\.", left.name):
                left.unlink()
        yield


def _settle(path, new):
    """Refuses what does not go together with what is there; writes down what is new."""
    file = path.with_name(path.name + ".settings.json")
    is_begun = path.with_name(path.name + ".csv").exists() or any(
        path.parent.glob(f"{path.name}*.weights.h5")
    )
    if file.exists() and is_begun:
        old = _read(file)
        for name in sorted(old["data"].keys() | new["data"].keys()):
            if old["data"].get(name) != new["data"].get(name):
                raise UserError(
                    f"{path.name} in {str(path.parent)!r} was begun with other documents "
                    f"({name}): give another --output"
                )
        was, now = old["settings"], new["settings"]
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) == now.get(name):
                continue
            both = name in was and name in now
            if not (both and _GROWING.fullmatch(name) and _is_more(was[name], now[name])):
                raise UserError(
                    f"{path.name} in {str(path.parent)!r} was begun with {name} = "
                    f"{was.get(name, 'nothing')}, and now it is {now.get(name, 'nothing')}: give "
                    "another --output, or the settings of before"
                )
    text = json.dumps(new, indent=1, sort_keys=True)
    write_whole(file, lambda path: path.write_text(text, encoding="utf-8"))


def _read(file):
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        content["settings"].keys(), content["data"].keys()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{str(file)!r} is torn or was edited: remove it if you know that the settings are "
            "those of before, or give another --output"
        ) from error
    return content


def _is_more(was, now):
    """Whether of two tuples, as text, one begins with the other."""
    one, other = (re.findall(r"[^\s,()\[\]]+", text) for text in (was, now))
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _settings():
    """dict of str: all that gin has set or left as it is for what it has made."""
    lines = gin.operative_config_str(max_line_length=10_000).splitlines()
    found = dict(line.split(" = ", 1) for line in lines if re.match(r"[\w./]+ = ", line))
    folders = {name: value for name, value in found.items() if name.split("/")[-1] in _FOLDERS}
    macros = set(re.findall(r"%\w+", " ".join(folders.values())))
    return {
        name: value
        for name, value in found.items()
        if name not in folders and f"%{name}" not in macros
    }


def _data(experiment):
    """dict of str: the digest of what each set of documents holds."""
    found = {}
    for name, folder in experiment.sets.items():
        made = npy_set.load(folder)
        held = [made.codec, made.vocab_size, made.ends, made.splits, made.files]
        text = json.dumps(held, sort_keys=True)
        found[str(name)] = hashlib.sha256(text.encode()).hexdigest()
    return found
