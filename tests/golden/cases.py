"""Forward cases of the original: the copies in this folder, and all of them in ../shared/golden."""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "shared" / "golden"
COMMITTED = sorted(path.parent.name for path in HERE.glob("*/outputs.npz"))
# Chunks and head groups of the original go wrong here, silently. Right is what it gives without.
WRONG = {
    "k3_chunked_key_not_dividing": "a_abs_sinusoidal",
    "k6_rotary_head_groups": "c_rotary_quarter_terminal",
}


def shared_cases(figures="outputs"):
    """Names of the cases beside the clone that have such figures, none where it is absent."""
    return sorted(path.parent.name for path in SHARED.glob(f"*/{figures}.npz"))


class Case:
    """One folder of figures, read when it is needed."""

    def __init__(self, name, root=HERE):
        self.name = name
        self.folder = root / name
        self.config = json.loads((self.folder / "config.json").read_text())
        self.params_from = self.config.get("params_from") or name
        self.params = dict(np.load(root / self.params_from / "params.npz"))

    def figures(self, name):
        return np.load(self.folder / f"{name}.npz")

    @property
    def outputs(self):
        """What is right: the original's own, but where it goes wrong."""
        right = self.folder.parent / WRONG.get(self.name, self.name)
        return np.load(right / "outputs.npz")

    @property
    def inputs(self):
        """What the model is called with."""
        stored = self.figures("inputs")
        positions = stored["model_input_idxs"]
        return {
            "token_ids": stored["model_inputs"],
            "positions": positions[..., 0] if positions.shape[-1] == 1 else positions,
        }
