"""Writes docs/parity.md: how far each option is from the original, measured on both backends.

make parity
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np

from tests.golden.cases import COMMITTED, HERE, WRONG, Case

WHAT = {
    "a_abs_sinusoidal": "absolute positions, frozen sinusoids",
    "a2_abs_sinusoidal_terminal": "absolute positions counted from the end",
    "a3_abs_linear": "linear position table",
    "a5_abs_learnable_sinusoidal": "sinusoids that train",
    "b_rotary_half": "rotary positions, half of the channels",
    "c_rotary_quarter_terminal": "rotary, ¼ of the channels, ½ of the heads, from the end",
    "d_imagenet_multidim": "three learned tables: x, y, channel",
    "e_fourier": "Fourier position table",
    "f_two_latents_per_position": "two latents on a position",
    "g_query_mlp": "latents start from an MLP",
    "h_query_learned_unshared": "a learned start for each latent",
    "h2_query_learned_shared": "one learned start for all latents",
    "i_query_offsetting_rotary": "latents at the position they predict",
    "j_additional_cross": "extra cross-attends after layers 0 and 2",
    "k_chunked_cross": "attention in chunks",
    "k2_head_groups": "attention in head groups",
    "k3_chunked_key_not_dividing": "chunks that do not divide (the original is wrong by 0.60)",
    "k6_rotary_head_groups": "head groups, partly rotated (the original is wrong by 3.6)",
    "l_no_initial_cross": "no cross-attend",
    "l2_shape_q": "attention as wide as the latents",
    "l4_no_query_residual": "what was read takes the latents' place",
    "m_gelu": "GELU",
    "m3_relu_silu": "SiLU",
    "n_short_sequence": "rows shorter than the latents, and an empty one",
    "u_z_index_dim_1": "a single latent",
}
BACKENDS = ("tensorflow", "jax")
TEMPLATE = HERE / "parity_template.md"


def measure():
    """Figures of this process's backend: dict by case."""
    import keras_perceiver_ar as kpar
    from tests.golden import test_gradients
    from tests.keras_perceiver_ar.support import compiled

    results = {}
    for name in COMMITTED:
        case = Case(name)
        model = kpar.convert.from_original(case.config, case.params)
        logits = compiled(model)(case.inputs)
        labels = model.latent_labels(case.inputs, case.figures("inputs")["targets"])
        loss = kpar.training.PerceiverARLoss(case.config["z_loss"], "sum")
        total = float(case.outputs["scalar_total_loss"])
        row = {
            "logits": float(np.abs(logits - case.outputs["logits"]).max()),
            "loss": abs(float(loss(labels, logits)) / total - 1),
        }
        if (case.folder / "grads_f64.npz").exists():
            _, found = test_gradients.gradients(model, case, loss)
            wanted = case.figures("grads_f64")
            row["gradient"] = max(
                float(np.abs(gradient - wanted[key]).max() / np.abs(wanted[key]).max())
                for key, gradient in found.items()
                if not test_gradients.is_noise(key, model)
            )
        results[name] = row
    return {"forward": results, "training": measure_training()}


def measure_training():
    """How far trajectories and learning rates of this backend are from the original's."""
    from tests.golden import test_schedules, test_training

    results = {}
    for name, steps in test_training.STEPS.items():
        weights, log = test_training.trained(name)
        golden = np.load(test_training.FOLDER / f"{name}_{steps}_steps.npz")
        wanted = json.loads((test_training.FOLDER / "logs.json").read_text())[name]["total_loss"]
        results[f"{name}, {steps} steps: weights"] = max(
            float(np.abs(weights[key] - golden[key]).max())
            for key in test_training.compared(golden)
        )
        results[f"{name}, {steps} steps: loss of a step, relative"] = float(
            np.abs(np.divide(log["total_loss"], wanted) - 1).max()
        )
    for name, golden in test_schedules.SCHEDULES.items():
        schedule = test_schedules.make(golden["config"], parity=True)
        results[f"learning rate {name}, 201 steps, relative"] = max(
            abs(float(schedule(step)) - value) / (value or golden["config"]["base_lr"])
            for step, value in enumerate(golden["values"])
            if value is not None  # NaN there
        )
    return results


def measure_in_processes():
    """Figures of all backends, each in a process of its own: dict of dict by backend."""
    results = {}
    for backend in BACKENDS:
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", __spec__.name, "--measure"]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        results[backend] = json.loads(done.stdout)
    return results


def write(results):
    """The page as text."""
    columns = [
        f"{what}, {backend}" for what in ("logits", "loss", "gradient") for backend in BACKENDS
    ]
    lines = [f"| case | option | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for name in COMMITTED:
        figures = [
            f"{results[backend]['forward'][name][what]:.1e}"
            if what in results[backend]["forward"][name]
            else "–"
            for what in ("logits", "loss", "gradient")
            for backend in BACKENDS
        ]
        label = name.split("_")[0] + ("*" if name in WRONG else "")
        lines.append(f"| {label} | {WHAT[name]} | {' | '.join(figures)} |")
    training = ["| training | tensorflow | jax |", "|---|---|---|"]
    for name in results[BACKENDS[0]]["training"]:
        figures = [f"{results[backend]['training'][name]:.1e}" for backend in BACKENDS]
        training.append(f"| {name} | {' | '.join(figures)} |")
    page = TEMPLATE.read_text(encoding="utf-8")
    return page.replace("TABLE", "\n".join(lines)).replace("TRAINING", "\n".join(training))


if __name__ == "__main__":
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--measure", action="store_true", help="this backend's figures as JSON")
    flags.add_argument("--output", default=str(HERE.parents[1] / "docs" / "parity.md"))
    flags = flags.parse_args()
    if flags.measure:
        print(json.dumps(measure()))
    else:
        with open(flags.output, "w", encoding="utf-8") as file:
            file.write(write(measure_in_processes()))
