"""What a call of a served model failed of, told in one line."""

# Kind of failure: what to do about it, and whether the same call may do a moment later.
_KINDS = {
    "bad_input": ("nothing was sent", False),
    "refused": ("correct it and ask again", False),
    "unknown_model": (
        "check the name against --model_name or the configuration of the server, or wait until it "
        "has loaded the model",
        False,
    ),
    "unknown_version": ("`status` lists the versions that are loaded", False),
    "unknown_signature": (
        "`metadata` lists the signatures; models of text alone have generate_text",
        False,
    ),
    "unknown_input": (
        "export the model with --sampling and these names, or leave them out",
        False,
    ),
    "too_large": (
        "ask for fewer or shorter rows at a time, or raise max_message_bytes here (and the limit "
        "of whatever stands between)",
        False,
    ),
    "timeout": ("raise timeout, or ask for fewer tokens at a time", True),
    "overloaded": ("ask again later, or for fewer rows at a time", True),
    "not_there": ("check that the server runs, its address and its port", True),
    "wrong_port": (
        "gRPC (HOST:8500) and REST (http://HOST:8501) have ports of their own",
        False,
    ),
    "tls": ("https:// and grpcs:// need a server with a certificate that ca_file knows", False),
    "denied": ("give the token that the server wants as one of the headers", False),
    "changed": (
        "give the number of the model's latents as num_latents, and a version, so that no other "
        "model answers in the middle of a text",
        False,
    ),
    "broken_answer": ("check that this is TensorFlow Serving with a model of this package", False),
    "failed": ("the log of the server says more", False),
}
_OF_USERS = ("bad_input", "refused", "unknown_signature", "unknown_input", "too_large")


class ServingError(Exception):
    """A call of a served model that failed, for a reason of any kind.

    Args:
        kind: str, one of those of `_KINDS`, for instance "refused" or "not_there".
        what: str. What was wrong.
        model: str.
        endpoint: str. Where it was asked.
        signature: str or None.
        field: str or None. The input that is wrong, where one is to blame.

    Attributes:
        attempts: int. How often it was tried.
        seconds: float. How long that took, waits included.
    """

    def __init__(self, kind, what, model, endpoint, signature=None, field=None):
        # All of them, so that it goes from process to process.
        super().__init__(kind, what, model, endpoint, signature, field)
        self.kind, self.what, self.model, self.endpoint = kind, what, model, endpoint
        self.signature, self.field = signature, field
        self.attempts, self.seconds = 1, 0.0

    @property
    def may_pass(self):
        """Whether the same call may succeed a moment later. All calls are pure functions."""
        return _KINDS[self.kind][1]

    @property
    def is_users(self):
        """Whether whoever asked has to ask for something else."""
        return self.kind in _OF_USERS

    def __str__(self):
        signature = f", signature {self.signature!r}" if self.signature else ""
        # A message that begins with the name of the field needs no other mention of it.
        named = not self.field or self.what.startswith(self.field)
        field = "" if named else f"{self.field}: "
        tried = f" (tried {self.attempts} times in {self.seconds:.1f} s)"
        return (
            f"model {self.model!r} at {self.endpoint}{signature}: {field}{self.what}: "
            f"{_KINDS[self.kind][0]}{tried if self.attempts > 1 else ''}"
        )
