"""What a model directory holds: checkpoints, and what they are of."""

from pipelines.checkpoints.description import (
    MODEL_FILE,
    OPERATIVE_CONFIG,
    check_model,
    describe_model,
)
from pipelines.checkpoints.files import newest_checkpoint, step_of, whole_checkpoints
from pipelines.checkpoints.manager import CheckpointManager
from pipelines.checkpoints.weights import make_checkpoint, restore_weights

__all__ = [
    "MODEL_FILE",
    "OPERATIVE_CONFIG",
    "CheckpointManager",
    "check_model",
    "describe_model",
    "make_checkpoint",
    "newest_checkpoint",
    "restore_weights",
    "step_of",
    "whole_checkpoints",
]
