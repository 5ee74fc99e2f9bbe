"""Data in: tasks that yield batches of token ids and labels.

Every element of every dataset is `({"token_ids": int32 (B, M)}, labels int32 (B, M))`: the label at
an input is the event that follows it, and label 0 is not scored.

The tasks need TensorFlow and are imported when they are asked for: `windows` and `row_checks`,
numbers alone, serve where there is none.
"""

import importlib

_MODULES = {
    "BooksTask": "books_task",
    "CopyTask": "copy_task",
    "InputFnTask": "input_fn_task",
    "LatentCrop": "crops",
    "RandomCrop": "crops",
    "ShardsTask": "shards_task",
}


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
