"""Inputs that a signature has if its export says so, and what a client does about them."""

import time

from savedmodels.serving_client.inputs import OFF, read_rows
from savedmodels.serving_client.serving_error import ServingError

_LEAST = 0.001  # seconds, as no transport takes a time-out of nothing


class OptionalInputs:
    """Calls signatures with what they take: what they want and nobody gave, they get switched off.

    The server is asked for its metadata where a caller gives such an input, since over REST one
    that the model does not have would be passed over in silence; and where the server misses one.

    Args:
        transport: `GrpcTransport` or `RestTransport`.
        is_pinned: bool. Whether all calls are for one version, whose metadata stay what they are.
    """

    def __init__(self, transport, is_pinned):
        self._transport, self._is_pinned = transport, is_pinned
        self._taken = {}  # names by signature, as heard last; None is no such signature

    def predict(self, signature, inputs, given, outputs, timeout):
        """Calls a signature.

        Args:
            signature, inputs, outputs: of a transport's `predict`.
            given: dict of arrays by the names of `OFF`.
            timeout: float. Seconds, for all that is asked.

        Returns:
            dict of arrays.

        Raises:
            ServingError: it failed, or the model has no such input.
        """
        deadline = time.monotonic() + timeout

        def left():
            return max(_LEAST, deadline - time.monotonic())

        def send():
            filled = self._fill(signature, inputs, given)
            return self._transport.predict(signature, filled, outputs, left())

        if given and not (self._is_pinned and signature in self._taken):
            self._ask(signature, given, left())
            return send()
        try:
            return send()
        except ServingError as error:
            before = self._taken.get(signature)
            if error.kind != "refused" or error.field not in OFF:
                raise
            self._ask(signature, given, left())
            if self._taken[signature] == before:  # it was a number that was wrong
                raise
        return send()

    def _fill(self, signature, inputs, given):
        taken = self._taken.get(signature) or ()
        batch = len(next(iter(inputs.values())))
        off = {name: read_rows(name, OFF[name], batch, OFF[name].dtype) for name in taken}
        return {**inputs, **off, **given}

    def _ask(self, signature, given, timeout):
        """Learns what a signature takes.

        Raises:
            ServingError: it takes less than was given.
        """
        version, signatures = self._transport.metadata(timeout)
        if signature not in signatures:  # the server says so in its own words
            self._taken[signature] = None
            return
        taken = [name for name in OFF if name in signatures[signature]["inputs"]]
        lacking = [name for name in given if name not in taken]
        if lacking:
            place = (self._transport.model, self._transport.endpoint, signature, lacking[0])
            what = f"{', '.join(lacking)}: version {version} of the model takes no such input"
            raise ServingError("unknown_input", what, *place)
        self._taken[signature] = taken
