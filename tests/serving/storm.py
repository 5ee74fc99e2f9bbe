"""Requests of all kinds, drawn from a seed: what is asked, and what must come of it."""

import dataclasses
import random
from collections.abc import Callable

import numpy as np

from savedmodels.client import ServingError

CONTEXT = 40
# Past the checks of the client, to the server as it is.
OUTPUT = {"score": {"log_probs": "float32"}, "generate": {"token_ids": "int32"}}


@dataclasses.dataclass(frozen=True)
class StormRequest:
    """One of the requests of a storm.

    Attributes:
        name: str. Its kind.
        call: function of a `Client`.
        kind: str or None. Of the `ServingError` that must come; None is an answer.
        fields: names, one of which the message must hold; none where no server names any.
    """

    name: str
    call: Callable
    kind: str | None = None
    fields: tuple = ()

    def ask(self, client):
        """What comes: bytes of an answer, or kind and message of a refusal."""
        try:
            answer = self.call(client)
        except ServingError as error:
            return error.kind, f"{error.field} {error.what}"
        if isinstance(answer, str):
            return answer
        return {
            name: tuple(value) if isinstance(value, list) else (value.shape, value.tobytes())
            for name, value in answer.items()
        }


def draw(number, seed=0):
    """A list of so many `StormRequest`s, about half of which are valid."""
    generator = random.Random(seed)
    makers = [_valid] * 4 + [_caught_here, _refused, _refused, _raw]
    return [generator.choice(makers)(generator) for _ in range(number)]


def _rows(generator):
    batch = generator.randint(1, 6)
    return [
        [2, *(generator.randint(3, 258) for _ in range(generator.randint(0, 20)))]
        for _ in range(batch)
    ]


def _prompts(generator):
    """Rows for `generate`, which begins those of nothing with SOS."""
    return [row if generator.random() < 0.8 else [] for row in _rows(generator)]


def _texts(generator):
    letters = ["a", "ö", "𝄞", "\0", " ", b"\xff", b"\xf0\x9f", "€"]
    texts = []
    for _ in range(generator.randint(1, 6)):
        parts = generator.choices(letters, k=generator.randint(0, 5))
        texts.append(b"".join(p.encode() if isinstance(p, str) else p for p in parts))
    return texts


def _sampling(generator, batch):
    def each(values):
        return [generator.choice(values) for _ in range(batch)]

    return {
        "max_new_tokens": each([0, 1, 3, 8, 15]),
        "seed": each([0, 1, -1, -(2**31), 2**31 - 1]),
        "temperature": each([0.0, 1e-30, 0.7, 1.0, 50.0, 3e38]),
        "top_p": each([0.0, 0.3, 0.9, 1.0]),
    }


def _valid(generator):
    kind = generator.choice(["score", "generate", "generate_text", "generate_text", "stream"])
    rows, texts = _rows(generator), _texts(generator)
    if kind == "score":
        return StormRequest(kind, lambda client: client.score(rows))
    if kind == "generate":
        rows = _prompts(generator)
        sampling = _sampling(generator, len(rows))
        return StormRequest(kind, lambda client: client.generate(rows, **sampling))
    if kind == "generate_text":
        sampling = _sampling(generator, len(texts))
        return StormRequest(kind, lambda client: client.generate_text(texts, **sampling))
    seed = generator.randint(-9, 9)
    options = {"max_new_tokens": 9, "tokens_at_a_time": 4, "num_latents": 4, "seed": seed}
    return StormRequest(
        kind, lambda client: "".join(client.generate_text_stream(texts[0], **options))
    )


def _caught_here(generator):
    rows = _rows(generator)
    name, field, call = generator.choice(
        [
            ("no rows", "token_ids", lambda client: client.score([])),
            ("no prompts", "token_ids", lambda client: client.generate([], max_new_tokens=3)),
            ("floats", "token_ids", lambda client: client.score([[2.5]])),
            ("strings", "token_ids", lambda client: client.score([["a"]])),
            ("flat", "token_ids", lambda client: client.score([2, 3])),
            ("lengths", "lengths", lambda client: client.score(rows, [1] * (len(rows) + 1))),
            ("half a pair", "text", lambda client: client.generate_text("\ud800")),
            ("no text", "text", lambda client: client.generate_text([])),
            ("text of ids", "text", lambda client: client.generate_text([3])),
            ("large seed", "seed", lambda client: client.generate_text("a", seed=2**40)),
            ("bent", "top_p", lambda client: client.generate_text("a", top_p=[[0.5]])),
        ]
    )
    return StormRequest(name, call, "bad_input", (field,))


def _refused(generator):
    rows, texts = _rows(generator), _texts(generator)
    nan, infinity = float("nan"), float("inf")
    name, value = generator.choice(
        [
            ("temperature", nan),
            ("temperature", -infinity),
            ("temperature", -0.5),
            ("top_p", 1.5),
            ("top_p", -0.1),
            ("top_p", nan),
            ("max_new_tokens", -1),
            ("max_new_tokens", 2**31 - 1),
            ("max_new_tokens", CONTEXT + 1),
            ("token_ids", 259),
            ("token_ids", -5),
            ("lengths", 0),
            ("lengths", -7),
            ("lengths", 2**31 - 1),
            ("too wide", CONTEXT + 1),
            ("too long", CONTEXT),
            ("top_k", 5),
            ("min_p", 0.1),
        ]
    )
    sampling = {"max_new_tokens": 3, "seed": generator.randint(-5, 5)}
    if name in ("top_k", "min_p"):

        def call(client):
            return client.generate_text(texts, **sampling, **{name: value})

        return StormRequest(f"lacks {name}", call, "unknown_input", (name,))
    if name == "token_ids":
        return _bad(name, lambda client: client.score([*rows, [2, value]]), name)
    if name == "lengths":
        return _bad(name, lambda client: client.score(rows, [value] * len(rows)), name)
    if name == "too wide":
        return _bad(name, lambda client: client.score([[5] * value]), "token_ids")
    if name == "too long":
        return _bad(name, lambda client: client.generate_text(["x" * value], **sampling), "text")
    sampling |= {name: value}
    if generator.random() < 0.5:
        return _bad(name, lambda client: client.generate(rows, **sampling), name)
    return _bad(name, lambda client: client.generate_text(texts, **sampling), name)


def _bad(name, call, *fields):
    return StormRequest(f"bad {name}", call, "refused", fields)


def _raw(generator):
    """What a client without checks might send; of types and ranks servers name no field."""
    ids, lengths = np.array([[2, 5]], np.int32), np.array([2], np.int32)
    none = {"token_ids": ids[:, :0], "lengths": lengths * 0}
    sampling = {name: np.array([2], np.int32) for name in ("max_new_tokens", "seed")}
    sampling |= {name: np.array([0.5], np.float32) for name in ("temperature", "top_p")}
    name, kind, signature, inputs, fields = generator.choice(
        [
            ("float ids", "refused", "score", {"token_ids": ids + 0.5, "lengths": lengths}, ()),
            ("text ids", "refused", "score", {"token_ids": [b"a"], "lengths": lengths}, ()),
            ("flat ids", "refused", "score", {"token_ids": ids[0], "lengths": lengths}, ()),
            ("deep ids", "refused", "score", {"token_ids": ids[None], "lengths": lengths}, ()),
            ("bent", "refused", "score", {"token_ids": ids, "lengths": lengths[None]}, ()),
            ("short", "refused", "score", {"token_ids": ids}, ("lengths",)),
            (
                "sampling",
                "refused",
                "generate",
                {"token_ids": ids, "lengths": lengths},
                ("seed", "max_new_tokens"),
            ),
            ("no width", None, "generate", none | sampling, ()),
            ("no width", "refused", "score", none, ("lengths",)),
            (
                "no rows",
                "refused",
                "generate",
                # Of the rank of a matrix over gRPC; REST has no such thing as rows of no number.
                {name: value[:0] for name, value in (none | sampling).items()},
                (),
            ),
            ("signature", "unknown_signature", "draw", {"token_ids": ids}, ("draw",)),
        ]
    )
    outputs = OUTPUT.get(signature, OUTPUT["score"])

    def call(client):
        return client._call(
            lambda seconds: client._transport.predict(signature, inputs, outputs, seconds), None
        )

    return StormRequest(f"raw {name}", call, kind, fields)
