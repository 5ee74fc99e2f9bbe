"""TF Serving loads no version where a request of its warm-up fails: each one is run here."""

import numpy as np
import pytest
import tensorflow as tf

from savedmodels import warmup, writer
from tests.savedmodels import exports


@pytest.mark.slow
@pytest.mark.parametrize("export", [exports.export_text, exports.export_pieces])
def test_every_record_runs(export, tmp_path):
    *_, path = export(tmp_path)
    requests = exports.warmup_requests(path)
    assert 0 < len(requests) <= warmup.MOST_RECORDS
    loaded = tf.saved_model.load(str(path))
    batches = {name: set() for name in loaded.signatures}
    for name, inputs in requests:
        answer = loaded.signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        rows = {len(value) for value in inputs.values()}
        assert {len(value) for value in answer.values()} == rows and len(rows) == 1
        batches[name] |= rows
    # Every signature, alone and with others.
    assert batches == {name: {1, 4} for name in loaded.signatures}


@pytest.mark.parametrize("context", [1, 2, 4, 5, 20, 21, 8192])
def test_requests_fit_the_context(context):
    specs = [tf.TensorSpec((None, None), tf.int32, name="token_ids")]
    specs += [tf.TensorSpec((None,), tf.int32, name="lengths")]
    specs += [tf.TensorSpec((None,), tf.int32, name="max_new_tokens")]
    text = [tf.TensorSpec((None,), tf.string, name="text"), specs[-1]]
    endpoints = {
        name: writer.Endpoint(None, inputs)
        for name, inputs in (("generate", specs), ("text", text))
    }
    requests = warmup.make_requests(endpoints, context)
    for _, inputs in requests:
        new = inputs["max_new_tokens"]
        if "text" in inputs:
            length = np.array([1 + len(text) for text in inputs["text"]])
        else:
            length = inputs["lengths"]
            assert inputs["token_ids"].shape[1] == length[0] >= 1
        assert (length <= context).all() and (length + new <= context + 1).all()
        assert (new >= 1).all()
