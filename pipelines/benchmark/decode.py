"""Decoding, measured: the prefill of a prompt, and each token after it."""

import statistics
import time

import numpy as np

from pipelines import command_line
from pipelines.benchmark import backends, timing
from pipelines.errors import UserError


def measure(workload, prompt, new_tokens, sampling, caching, runs=8, warmup=3):
    """Times whole calls that add one token, and such that add all, of the same program.

    A call that adds one token reads the prompt and draws; what the others take longer is the price
    of their other tokens, the refills that fall among them included.

    Args:
        workload: `Workload` whose context holds the prompt and what is added.
        prompt: int. Tokens in each prompt.
        new_tokens: int. Tokens to add, 2 or more.
        sampling: dict of `temperature` and `top_p`.
        caching: dict of `refill` and `prefill`, as for `PerceiverARCausalLM.generate`.
        runs: int. Timed pairs of calls.
        warmup: int. Pairs before them.

    Returns:
        dict, less the flags.

    Raises:
        UserError: a refill or prefill that does not fit.
        OutOfMemory: it does not fit.
    """
    name, backend = backends.load()
    from keras_perceiver_ar.generation import cached_steps
    from keras_perceiver_ar.generation.program import DecodeProgram
    from pipelines.benchmark import decode_bound

    with command_line.user_errors(ValueError):
        kept = cached_steps.refill_size(caching["refill"], workload.latents)
        cached_steps.prefill_size(caching["prefill"], workload.latents)
    # No stop id, so that every row gets all its tokens.
    options = {"num_latents": workload.latents, "stop_ids": (), **caching}

    def generate(number):
        begin = time.perf_counter()
        result = program.predict_on_batch(
            {**inputs, "max_new_tokens": np.full(workload.batch, number, "int32")}
        )
        seconds = time.perf_counter() - begin
        # NumPy's: the call has waited for the device.
        if int(result["lengths"].min()) != prompt + number:
            raise RuntimeError(f"Rows of {result['lengths']} tokens, not of {prompt + number}.")
        return seconds

    with backends.limits(backend):
        program = DecodeProgram(workload.make_model(), options)
        inputs = _inputs(workload, prompt, sampling)
        first = generate(1)
        for _ in range(warmup):
            generate(1), generate(new_tokens)
        seconds = [(generate(1), generate(new_tokens)) for _ in range(runs)]
        peak_bytes = backend.peak_bytes()
        bound = decode_bound.measure(workload, kept, prompt, new_tokens, runs)
    tokens = [(whole - one) / (new_tokens - 1) for one, whole in seconds]
    prefill = [one for one, _ in seconds]
    kind, platform, count = backend.device()
    return {
        "backend": name,
        "device": kind,
        "platform": platform,
        "device_count": count,
        **{f"prefill_{name}": value for name, value in timing.spread(prefill).items()},
        **{f"token_{name}": value for name, value in timing.spread(tokens).items()},
        "tokens_per_second": workload.batch / statistics.median(tokens),
        **bound,
        "peak_bytes": peak_bytes,
        "compile_s": first - statistics.median(prefill),
    }


def check(latents, prompt, new_tokens):
    """Refuses latents that would find no room.

    Raises:
        UserError: more of them than tokens.
    """
    if latents > prompt + new_tokens:
        raise UserError(
            f"--latents must be at most --prompt + --new_tokens = {prompt + new_tokens}, "
            f"got {latents}"
        )


def _inputs(workload, prompt, sampling):
    batch = workload.batch
    token_ids = workload.make_batch()[0]["token_ids"]
    token_ids[:, prompt:] = 0
    return {
        "token_ids": token_ids,
        "lengths": np.full(batch, prompt, "int32"),
        "seeds": np.arange(batch, dtype="int32"),
        "sampling": {name: np.full(batch, value, "float32") for name, value in sampling.items()},
    }
