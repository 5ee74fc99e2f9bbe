"""A model on a server of TensorFlow Serving. B batch, M inputs, T prompt and continuation."""

import contextlib

from savedmodels.serving_client import inputs as reading
from savedmodels.serving_client import settings, text_stream
from savedmodels.serving_client.address import Address
from savedmodels.serving_client.answers import read_answer
from savedmodels.serving_client.askers import GREEDY, make_askers
from savedmodels.serving_client.bad_input import BadInput
from savedmodels.serving_client.changed import Changed
from savedmodels.serving_client.optional_inputs import OptionalInputs
from savedmodels.serving_client.retries import Retries
from savedmodels.serving_client.serving_error import ServingError
from savedmodels.serving_client.transports import make_transport

MEBIBYTE = 2**20


class Client:
    """A model on a server of TensorFlow Serving, over gRPC or REST. Threads may share it.

    All calls are pure functions of their inputs, so whatever did not come through is asked for
    again: where the server is not there or overloaded, and where an attempt took too long.

    Args:
        target: str. `HOST:8500` or `grpcs://HOST:PORT` for gRPC, `http://HOST:8501` or
            `https://HOST:PORT` for REST.
        model: str. The name the server knows it by.
        version: int or None. None is the newest that is loaded, whichever that is at each request.
        label: str or None. Of a version, instead of its number.
        timeout: float. Seconds for a call, all attempts and waits included.
        attempt_timeout: float or None. Seconds for each attempt; None is all that are left.
        retries: `Retries`.
        headers: dict of str or None, sent with every request: `{"Authorization": "Bearer …"}`.
        ca_file: str or None. PEM file of the authorities trusted for https:// and grpcs://.
        max_message_bytes: int. Of a request, and of an answer.
        grpc_options: pairs of gRPC's own channel arguments.

    Raises:
        ValueError: an argument that makes no sense.
        OSError: `ca_file` cannot be read.
        ImportError: tensorflow-serving-api or urllib3 is not installed.
    """

    def __init__(
        self,
        target,
        model,
        *,
        version=None,
        label=None,
        timeout=60.0,
        attempt_timeout=None,
        retries=None,
        headers=None,
        ca_file=None,
        max_message_bytes=64 * MEBIBYTE,
        grpc_options=(),
    ):
        address = Address.parse(target)
        settings.check_model(model, version, label)
        settings.check_integer("max_message_bytes", max_message_bytes, 1, 2**31 - 1)
        if ca_file is not None and not address.is_encrypted:
            raise ValueError(f"ca_file needs a target of https:// or grpcs://, got {target!r}")
        for name, seconds in (("timeout", timeout), ("attempt_timeout", attempt_timeout)):
            settings.check_seconds(name, seconds, optional=name == "attempt_timeout")
        self.model, self._timeout, self._attempt_timeout = model, timeout, attempt_timeout
        self._retries = retries or Retries()
        self._is_closed = False
        self._are_bytes = None  # once a stream has asked
        authorities = None if ca_file is None else settings.read_authorities(ca_file)
        headers = settings.read_headers(headers or {})
        self._transport = make_transport(
            address,
            (model, version, label, headers, authorities, max_message_bytes),
            tuple(grpc_options),
        )
        self._optional = OptionalInputs(self._transport, is_pinned=version is not None)

    @property
    def endpoint(self):
        """Where it is asked, as errors name it."""
        return self._transport.endpoint

    def score(self, token_ids, lengths=None, *, timeout=None):
        """Log-probability of each input given those before it.

        Args:
            token_ids: integers (B, M), or B sequences of them, each of its own length.
            lengths: integers (B,), or None: a row ends at its first 0.
            timeout: float or None. Seconds, instead of those of the client.

        Returns:
            dict: `log_probs` float32 (B, M), NaN at the first input and on padding.

        Raises:
            ServingError: whatever went wrong.
        """
        with self._named("score"):
            token_ids, lengths = reading.read_tokens(token_ids, lengths)
        inputs = {"token_ids": token_ids, "lengths": lengths}
        return self._predict("score", inputs, timeout, token_ids.shape[1])

    def generate(
        self,
        token_ids,
        lengths=None,
        *,
        max_new_tokens,
        seed=0,
        temperature=1.0,
        top_p=0.95,
        timeout=None,
        **optional,
    ):
        """Continues prompts until a limit or EOS.

        Args:
            token_ids, lengths: as for `score`. Prompts begin with SOS, id 2; one of nothing gets
                it.
            max_new_tokens: int, or one for each row.
            seed: int, for rows s, s + 1, …; or one for each row.
            temperature: float, or one for each row. 0 is greedy.
            top_p: float, or one for each row. 1 draws from all tokens.
            timeout: float or None. Seconds, instead of those of the client.
            **optional: `top_k`, `min_p`, `typical_p` or `repetition_penalty` as of `Sampler`, one
                or one for each row, where the model was exported with them.

        Returns:
            dict: `token_ids` int32 (B, T), prompt and continuation, then zeros; `lengths` int32
            (B,); `log_probs` float32 (B, T), of what was generated, NaN elsewhere.

        Raises:
            ServingError: whatever went wrong.
        """
        with self._named("generate"):
            token_ids, lengths = reading.read_tokens(token_ids, lengths)
            batch = len(token_ids)
            sampling = reading.read_sampling(batch, max_new_tokens, seed, temperature, top_p)
            optional = reading.read_optional(batch, optional)
        inputs = {"token_ids": token_ids, "lengths": lengths, **sampling}
        # A row of nothing begins with SOS.
        width = int((lengths.clip(1).astype(int) + sampling["max_new_tokens"]).max())
        return self._predict("generate", inputs, timeout, width, optional)

    def generate_text(
        self,
        text,
        *,
        max_new_tokens=256,
        seed=0,
        temperature=1.0,
        top_p=0.95,
        timeout=None,
        **optional,
    ):
        """Continues texts, by a model of text.

        Args:
            text: str or bytes, or a sequence of them, (B,).
            max_new_tokens, seed, temperature, top_p, timeout, optional: as for `generate`, in
                tokens, which are bytes or pieces of words.

        Returns:
            dict: `text` list of B str, the continuations alone; `lengths` int32 (B,), their tokens;
            `log_probs` float32 (B,), their sums.

        Raises:
            ServingError: whatever went wrong.
        """
        with self._named("generate_text"):
            text = reading.read_text(text)
            sampling = reading.read_sampling(len(text), max_new_tokens, seed, temperature, top_p)
            optional = reading.read_optional(len(text), optional)
        inputs = {"text": text, **sampling}
        result = self._predict("generate_text", inputs, timeout, optional=optional)
        return {**result, "text": [text.decode("utf-8", "replace") for text in result["text"]]}

    def generate_text_stream(
        self,
        text,
        *,
        tokens_at_a_time=16,
        max_new_tokens=256,
        seed=0,
        temperature=1.0,
        top_p=0.95,
        num_latents=None,
        timeout=None,
        **optional,
    ):
        """Continues one text and hands it over as it comes, some tokens at a time.

        Each request is a call of its own, with the prompt and what came so far. Its draws are
        those of one long call, as a draw is a function of its seed and its place in the row. Its
        latents are, while prompt and continuation are no longer than the model's N latents; beyond
        that a request begins with N of them, where the long call holds from N // 2 to N, and the
        text may differ. With `num_latents` it does not: each request then begins where the long
        call held N too, and up to N − N // 2 bytes are generated again. A model of pieces of words
        is asked for the text from its beginning each time, half as long again; its text is always
        that of one long call.

        Args:
            text: str or bytes.
            max_new_tokens, seed, temperature, top_p, optional: as for `generate_text`; one each.
            tokens_at_a_time: int.
            num_latents: int or None. N of the model, which makes the text that of one long call.
            timeout: float or None. Seconds for each request.

        Returns:
            iterator of str, none of them empty. A character comes when its last byte has.

        Raises:
            ServingError: whatever went wrong. What was handed over before is not wrong.
        """
        with self._named("generate_text"):
            prompt, number, latents = reading.read_stream(text, tokens_at_a_time, num_latents)
            sampling = {"seed": seed, "temperature": temperature, "top_p": top_p}
            read = reading.read_sampling(1, max_new_tokens, **sampling)
            reading.read_optional(1, optional)

        def stream():
            limit = int(read["max_new_tokens"][0])
            if self._are_bytes is None:
                self._are_bytes = text_stream.are_bytes(*make_askers(self, GREEDY, timeout))
            ask, ask_text = make_askers(self, sampling | optional, timeout)
            try:
                if self._are_bytes:
                    yield from text_stream.stream_bytes(ask, prompt, limit, number, latents)
                else:
                    yield from text_stream.stream_text(ask_text, prompt, limit, number)
            except Changed as error:
                raise self._error("changed", str(error)) from error

        return stream()

    def metadata(self, *, timeout=None):
        """What the server knows of the model.

        Returns:
            dict: `version` int; `signatures` dict by name of `inputs` and `outputs`, each a dict by
            name of `dtype` str and `shape` list, None where any size will do.

        Raises:
            ServingError: whatever went wrong.
        """
        version, signatures = self._call(self._transport.metadata, timeout)
        return {"version": version, "signatures": signatures}

    def status(self, *, timeout=None):
        """Versions of the model that the server knows.

        Returns:
            list of dict: `version` int, `state` str ("AVAILABLE" answers), `error` str.

        Raises:
            ServingError: whatever went wrong.
        """
        found = self._call(self._transport.status, timeout)
        return [{"version": v, "state": state, "error": error} for v, state, error in found]

    def close(self):
        """Closes the connections. Calls under way may fail, later ones raise ValueError."""
        self._is_closed = True
        self._transport.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _predict(self, signature, inputs, timeout, width=None, optional=()):
        arguments = (signature, inputs, dict(optional), reading.OUTPUTS[signature])
        found = self._call(lambda seconds: self._optional.predict(*arguments, seconds), timeout)
        batch = len(next(iter(inputs.values())))
        try:
            return read_answer(found, reading.OUTPUTS[signature], batch, width)
        except ValueError as error:
            raise self._error("broken_answer", str(error), signature) from error

    def _call(self, function, timeout):
        settings.check_seconds("timeout", timeout, optional=True)
        if self._is_closed:
            raise ValueError(f"this client of {self.endpoint} is closed: make another")
        timeout = self._timeout if timeout is None else timeout
        return self._retries.call(function, timeout, self._attempt_timeout)

    def _error(self, kind, what, signature=None, field=None):
        return ServingError(kind, what, self.model, self.endpoint, signature, field)

    @contextlib.contextmanager
    def _named(self, signature):
        """Says of bad input which model and signature it was meant for."""
        try:
            yield
        except BadInput as error:
            raise self._error("bad_input", str(error), signature, error.field) from error
