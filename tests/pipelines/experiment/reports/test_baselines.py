import pytest

from pipelines.experiment.reports import baselines
from tests.pipelines.experiment.reports import tables


def rows(costs, seeds=3):
    """A table of models that cost so many bits per byte, a hundredth more with each seed."""
    return [
        row
        for equal, of_models in costs.items()
        for model, cost in of_models.items()
        for seed in range(seeds)
        for row in tables.documents(
            [cost + 0.01 * seed] * 2,
            model=model,
            equal=equal,
            seed=seed,
            inputs=512,
            rows=8,
            steps=100,
            training_targets=200_000,
            compiled_seconds=12.0,
            params=480_000,
            device="cpu",
        )
    ]


TIME = {"perceiver_ar": 2.5, "transformer": 2.7, "transformer_xl": 2.4}
TARGETS = {"perceiver_ar": 2.3, "transformer": 2.7, "transformer_xl": 2.4}


def test_the_paragraph_has_the_differences_of_the_table():
    told = baselines.tell(rows({"time": TIME, "targets": TARGETS}))
    assert (
        "Trained as long, Perceiver AR takes 2.510 ± 0.025 bits per byte, 0.200 (± 0.000)" in told
    )
    assert "fewer than the Transformer, 0.100 (± 0.000) more than the Transformer-XL" in told
    assert "as many targets, Perceiver AR takes 2.310 ± 0.025 bits per byte, 0.400" in told
    assert "Mean of 3 seeds, intervals over seeds." in told
    assert "| Transformer-XL | as long | 0.5 | 512 | 8 | 100 | 0.2 | 12 | 2.410 ± 0.025 |" in told


@pytest.mark.parametrize(
    ("own", "said"), [(2.5, "the claim does not hold at this size"), (2.3, "the claim holds here")]
)
def test_it_says_whether_the_claim_holds(own, said):
    told = baselines.tell(rows({"time": {**TIME, "perceiver_ar": own}, "targets": TARGETS}))
    assert said in told


def test_of_one_seed_it_does_not():
    told = baselines.tell(rows({"time": TIME, "targets": TARGETS}, seeds=1))
    assert "nothing is known of its error" in told and "One seed." in told
    assert "claim" not in told and "±" not in told


def test_a_table_that_is_not_whole_is_told(tmp_path):
    part = rows({"time": TIME, "targets": {"perceiver_ar": 2.3}})
    told = baselines.tell(part)
    assert "as many targets, Perceiver AR takes 2.310" in told
    assert told.count("| Transformer-XL |") == 1
    baselines.draw(part, tmp_path / "picture.png")


@pytest.mark.parametrize(("equal", "other"), [("time", "targets"), ("targets", "time")])
def test_a_table_of_one_setting_is_told(tmp_path, equal, other):
    part = rows({equal: TIME})
    told = baselines.tell(part)
    assert f"Trained {baselines.EQUAL[equal]}, Perceiver AR takes 2.510 ± 0.025" in told
    assert baselines.EQUAL[other] not in told
    assert "Mean of 3 seeds" in told
    baselines.draw(part, tmp_path / "picture.png")


def test_a_seed_that_not_all_models_have_is_left_out(tmp_path):
    table = rows({"time": TIME, "targets": TARGETS})
    last = ("transformer_xl", "targets", "2")
    part = [row for row in table if (row["model"], row["equal"], row["seed"]) != last]
    told = baselines.tell(part)
    assert "as many targets, Perceiver AR takes 2.305 ± 0.064 bits" in told
    assert "Means of seeds, 3 trained as long and 2 trained on as many targets" in told
    assert "3 and 2 seeds; grey" in tables.text_of(baselines, part, tmp_path)


def test_the_picture_names_what_it_shows(tmp_path):
    text = tables.text_of(baselines, rows({"time": TIME, "targets": TARGETS}), tmp_path)
    for wanted in (
        baselines.TITLE,
        "models of 0.480 M parameters each, cpu",
        "2 documents of test, 3 seeds; grey: each seed; bars: 95 % interval over seeds",
        "trained as long",
        "on as many targets",
        "bits per byte",
        "Perceiver AR",
        "512 inputs",
        "100 steps",
        "0.2 M targets",
        "12 s",
    ):
        assert wanted in text


def test_of_one_seed_the_picture_promises_no_interval(tmp_path):
    table = rows({"time": TIME, "targets": TARGETS}, seeds=1)
    text = tables.text_of(baselines, table, tmp_path)
    assert "1 seed" in text and "interval" not in text and "grey" not in text
