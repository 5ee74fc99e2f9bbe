"""One row of a client's batches, as streams ask for it."""

GREEDY = {"seed": 0, "temperature": 0.0, "top_p": 1.0}


def make_askers(client, sampling, timeout):
    """Functions that continue one row.

    Args:
        client: `Client`.
        sampling: dict of `seed`, `temperature`, `top_p` and what else draws.
        timeout: float or None. Seconds for a request.

    Returns:
        `ask` of `text_stream.stream_bytes`, and `ask_text` of `text_stream.stream_text`.
    """

    def ask(token_ids, limit):
        answer = client.generate([token_ids], max_new_tokens=limit, **sampling, timeout=timeout)
        row = answer["token_ids"][0, : answer["lengths"][0]].tolist()
        return row, float(answer["log_probs"][0, len(token_ids) : len(row)].sum())

    def ask_text(text, limit):
        answer = client.generate_text(text, max_new_tokens=limit, **sampling, timeout=timeout)
        return [answer[name][0] for name in ("text", "lengths", "log_probs")]

    return ask, ask_text
