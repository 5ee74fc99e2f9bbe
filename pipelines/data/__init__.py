"""Data in: tasks that yield batches of token ids and labels.

Every element of every dataset is `({"token_ids": int32 (B, M)}, labels int32 (B, M))`: the label at
an input is the event that follows it, and label 0 is not scored.
"""

from pipelines.data.books_task import BooksTask as BooksTask
from pipelines.data.copy_task import CopyTask as CopyTask
from pipelines.data.crops import LatentCrop as LatentCrop
from pipelines.data.crops import RandomCrop as RandomCrop
from pipelines.data.input_fn_task import InputFnTask as InputFnTask
from pipelines.data.shards_task import ShardsTask as ShardsTask
