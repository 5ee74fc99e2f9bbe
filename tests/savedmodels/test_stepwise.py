"""A client's own loop of `prefill` and `decode` gets what `generate` gives."""

import numpy as np
import pytest
import tensorflow as tf

import keras_perceiver_ar as kpar
from pipelines.errors import UserError
from savedmodels import export, signatures, stepwise
from tests.pipelines import runs
from tests.savedmodels import exports

ROWS = ([2, 14, 15, 16, 17, 18, 19], [2], [2, 28, 3, 17])


def make_model(**options):
    """A model with a context of 20 and 6 latents, whose weights are random."""
    options = {"num_layers": 2, "width": 16, "num_heads": 2, **options}
    model = kpar.models.PerceiverARCausalLM(kpar.models.PerceiverARBackbone(30, 20, 6, **options))
    draw = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(draw.normal(0.0, 0.5, variable.shape))
    return model


def calls(model, positions=None):
    """`prefill` and `decode` of arrays by name, traced as an export traces them."""
    made = tf.function(stepwise.make_prefill(model, positions), autograph=False)
    outputs = made.get_concrete_function(*signatures.SCORE_INPUTS).structured_outputs
    specs = stepwise.decode_inputs(outputs)
    step = tf.function(stepwise.make_decode(model, specs, positions), specs, autograph=False)

    def call(function, names):
        def called(**arrays):
            assert sorted(arrays) == sorted(names)
            answer = function(*(tf.constant(arrays[name]) for name in names))
            return {name: value.numpy() for name, value in answer.items()}

        return called

    return call(made, ["token_ids", "lengths"]), call(step, [spec.name for spec in specs])


MODELS = {
    "plain": {},
    "two latents on a position, two cross-attends": {
        "latent_query": kpar.models.LatentQuery(latents_per_position=2),
        "cross_attend": kpar.models.CrossAttend(after_layers=(0,)),
    },
    "half": {"dtype": "mixed_bfloat16"},
    "nothing that can be cached": {"latent_query": kpar.models.LatentQuery(style="learned")},
}


@pytest.mark.parametrize("name", MODELS)
def test_greedy_choices_are_those_of_generate(name):
    model = make_model(**MODELS[name])
    # Rows fill their latents, and refill them.
    found = exports.choose_greedily(*calls(model), ROWS, 13)
    token_ids, lengths = exports.padded(ROWS)
    wanted = model.generate({"token_ids": token_ids, "lengths": lengths}, 13, sampler="greedy")
    for row, (start, end) in enumerate(zip(lengths, wanted["lengths"])):
        np.testing.assert_array_equal(
            found[row, : end - start], wanted["token_ids"][row, start:end]
        )
    assert max(wanted["lengths"] - lengths) == 13


def test_log_probs_are_those_of_generate_and_what_is_never_drawn_is_left_out():
    model = make_model()
    prefill, decode = calls(model)
    token_ids, lengths = exports.padded(ROWS)
    wanted = model.generate({"token_ids": token_ids, "lengths": lengths}, 9, sampler="greedy")
    state = prefill(token_ids=np.pad(token_ids, ((0, 0), (0, 8))), lengths=lengths)
    rows = np.arange(3)
    for step in range(9):
        log_probs, logits = state.pop("log_probs"), state.pop("logits")
        assert np.isneginf(logits[:, [0, 2]]).all() and np.isfinite(logits[:, 3:]).all()
        np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1.0, atol=1e-5)
        token = logits.argmax(axis=1).astype("int32")
        going_on = lengths + step < wanted["lengths"]
        found = log_probs[rows, token][going_on]
        np.testing.assert_allclose(found, wanted["log_probs"][going_on, step], atol=1e-5)
        assert (state["lengths"] == lengths + step).all()
        if step < 8:
            state = decode(token_ids=token, **state)


def test_rows_may_leave_the_batch_and_the_room_may_be_wider():
    prefill, decode = calls(make_model())
    together = exports.choose_greedily(prefill, decode, ROWS, 6)
    token_ids, lengths = exports.padded(ROWS)
    state = prefill(token_ids=np.pad(token_ids, ((0, 0), (0, 13))), lengths=lengths)
    for step in range(6):
        token = state.pop("logits").argmax(axis=1).astype("int32")
        del state["log_probs"]
        rows = [0, 1, 2][: len(token)]
        np.testing.assert_array_equal(token, together[rows, step])
        keep = slice(0, 3 - step // 2)  # three rows, then two, then one
        state = {name: value[keep] for name, value in state.items()}
        state = decode(token_ids=token[keep], **state)


def test_positions_of_a_task_are_those_of_every_row():
    model = make_model(positions=kpar.layers.PositionEmbedding((5, 5), 16))
    table = np.random.default_rng(1).integers(0, 5, (9, 2)).astype("int32")
    found = exports.choose_greedily(*calls(model, table), ROWS, 8)
    token_ids, lengths = exports.padded(ROWS)
    # What lies behind the table's end is as its end.
    positions = np.broadcast_to(table[np.minimum(np.arange(20), 8)], (3, 20, 2))
    inputs = {"token_ids": token_ids, "lengths": lengths, "positions": positions}
    wanted = model.generate(inputs, 8, sampler="greedy")
    for row, (start, end) in enumerate(zip(lengths, wanted["lengths"])):
        np.testing.assert_array_equal(
            found[row, : end - start], wanted["token_ids"][row, start:end]
        )


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"token_ids": [30, 3, 3]}, "token_ids must lie in 0 … 29"),
        ({"lengths": [0, 1, 4]}, "lengths must lie between 1 and the width of history"),
        ({"lengths": [9, 1, 4]}, "the room that prefill was given"),
        ({"filled": [7, 1, 4]}, "filled must lie in 1 … 6"),
        ({"filled": [-1, 1, 4]}, "filled must lie in 1 … 6"),
        ({"history": np.full((3, 9), 77)}, "history must lie in 0 … 29"),
        ({"history": np.full((3, 8), 7)}, "must be as wide as history"),
        ({"history": np.full((3, 21), 7)}, "must not be wider than the context of 20"),
        ({"filled": [1, 1]}, "filled must hold one number for each row of token_ids"),
    ],
)
def test_decode_refuses_by_name(plain, changed, named):
    prefill, decode = plain
    token_ids, lengths = exports.padded(ROWS)
    state = prefill(token_ids=np.pad(token_ids, ((0, 0), (0, 2))), lengths=lengths)
    state = {k: v for k, v in state.items() if k not in ("log_probs", "logits")}
    state["token_ids"] = np.full(3, 5, "int32")
    changed = {name: np.asarray(value, "int32") for name, value in changed.items()}
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        decode(**state | changed)
    assert named in str(error.value)


@pytest.fixture(scope="module")
def plain():
    return calls(make_model())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"lengths": [8, 1, 4]}, "lengths must lie between 1 and the width of token_ids"),
        ({"token_ids": np.full((3, 7), 30)}, "token_ids must lie in 0 … 29"),
        ({"token_ids": np.full((3, 21), 5)}, "must not be wider than the context of 20"),
    ],
)
def test_prefill_refuses_by_name(plain, changed, named):
    token_ids, lengths = exports.padded(ROWS)
    inputs = {"token_ids": token_ids, "lengths": lengths} | changed
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        plain[0](**{name: np.asarray(value, "int32") for name, value in inputs.items()})
    assert named in str(error.value)


def test_the_bytes_of_a_row_are_those_of_its_tensors():
    model = make_model(**MODELS["half"])
    prefill, _ = calls(model)
    answer = prefill(token_ids=np.full((1, 20), 2, "int32"), lengths=np.array([5], "int32"))
    made = tf.function(stepwise.make_prefill(model), autograph=False)
    outputs = made.get_concrete_function(*signatures.SCORE_INPUTS).structured_outputs
    held, message = stepwise.row_bytes(stepwise.decode_inputs(outputs), outputs, 20)
    sizes = {name: value.nbytes for name, value in answer.items()}
    assert message == sum(sizes.values())
    assert held == message - sizes["log_probs"] - sizes["logits"]


def test_states_too_large_for_a_message_are_refused_and_nothing_is_written(tmp_path, capsys):
    runs.save_untrained(tmp_path / "run", runs.copy_flags())
    flags = [f"--model_dir={tmp_path / 'run'}", f"--output={tmp_path / 'exported'}", "--stepwise"]
    flags += ["--message_limit=0.001"]
    line = runs.refusal_after(("loading ", "compiling"), capsys, export.main, *flags)
    assert "--message_limit=0.001" in line and "max_new_tokens=k" in line
    assert not (tmp_path / "exported").exists()
    with pytest.raises(UserError, match="4.01 MiB, more than --message_limit=4 "):
        stepwise.check_message(int(4.01 * 2**20), 8192, 4.0)
    stepwise.check_message(4 * 2**20, 8192, 4.0)


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf", "4M"])
def test_a_limit_that_is_none_is_refused(capsys, limit):
    line = runs.refusal(
        capsys, export.main, "--model_dir=a", "--output=b", f"--message_limit={limit}"
    )
    assert "--message_limit: must be a number > 0" in line
