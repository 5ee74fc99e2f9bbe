import re

import numpy as np
import pytest

from pipelines.experiment.reports import orders
from tests.pipelines.experiment.reports import tables

TARGETS = 768


def rows(costs, seeds=3, images=20, noise=0.001, **positions):
    """A table of which the orders cost so many bits per dimension."""
    draw = np.random.default_rng(0)
    of_image = draw.normal(0, 0.5, images)  # which all orders have alike
    return [
        {
            "order": order,
            **positions,
            "seed": str(seed),
            "latents": "96",
            "context": "768",
            "steps": "400",
            "params": "485379",
            "device": "cpu",
            "split": "validation",
            "document": str(number),
            "nats": str((cost + of_image[number] + draw.normal(0, noise)) * TARGETS * np.log(2)),
            "targets": str(TARGETS),
        }
        for seed in range(seeds)
        for order, cost in costs.items()
        for number in range(images)
    ]


def test_the_paragraph_has_the_figures_of_the_table():
    told = orders.tell(rows({"raster": 6.0, "rgb": 6.3, "permuted": 5.9}))
    figures = {order: float(n) for order, n in re.findall(r"(\w+) (\d\.\d{3}) \(", told)}
    mean = np.random.default_rng(0).normal(0, 0.5, 20).mean()  # of the images
    assert figures["raster"] == pytest.approx(6.0 + mean, abs=0.002)
    assert figures["permuted"] == pytest.approx(5.9 + mean, abs=0.002)
    assert "20 validation images after 400 steps, mean of 3 seeds" in told
    assert "Rgb costs 0.300 (" in told and f"or {0.3 / (6 + mean):+.1%}" in told


def test_it_says_when_the_order_matters():
    told = orders.tell(rows({"raster": 6.0, "rgb": 6.3, "permuted": 5.9}))
    assert "rgb is worse than raster, and permuted is better than raster, beyond chance" in told
    assert "as the paper claims" not in told


def test_it_says_when_the_orders_are_alike():
    told = orders.tell(rows({"raster": 6.0, "rgb": 6.0}, noise=0.1))
    assert "No order differs from the first beyond chance" in told


def test_what_the_models_were_told_is_told_apart():
    own = rows({"raster": 6.0, "permuted": 7.5}, positions="own")
    told = rows({"raster": 6.1, "permuted": 6.1}, noise=0.1, positions="target")
    first, second = orders.tell(own + told).split("\n\n")
    assert "told where its inputs are" in first and "permuted is worse than raster" in first
    assert "where the next value goes" in second and "No order differs" in second
    assert orders.tell(rows({"raster": 6.0, "permuted": 7.5})) == first  # a table of old


def test_one_seed_is_told_without_an_interval_over_seeds():
    told = orders.tell(rows({"raster": 6.0, "rgb": 6.3}, seeds=1))
    assert "mean of 1 seed: raster" in told and "over images the interval" in told
    assert "nothing can be said of chance" in told and "beyond" not in told


def test_one_image_has_no_interval_over_images():
    told = orders.tell(rows({"raster": 6.0, "rgb": 6.3}, images=1))
    assert "on 1 validation image after" in told and "Rgb costs 0.300 (" in told
    assert "nothing can be said of chance" in told and "nan" not in told


def test_a_table_that_is_not_whole_is_told_of_the_seeds_that_all_orders_have():
    whole = rows({"raster": 6.0, "rgb": 6.3})
    part = [row for row in whole if (row["order"], row["seed"]) != ("rgb", "2")]
    wanted = [row for row in whole if row["seed"] != "2"]
    assert orders.tell(part) == orders.tell(wanted)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_figure_names_what_it_shows(tmp_path, seeds):
    text = tables.text_of(orders, rows({"raster": 6.0, "rgb": 6.3}, seeds=seeds), tmp_path)
    for wanted in (
        f"{orders.TITLE}: 20 validation images of 16 × 16 pixels",
        "400 steps, 0.485 M parameters, 96 latents, context 768, cpu",
        "bits per dimension",
        "raster",
        "rgb",
    ):
        assert wanted in text
    assert "told where its inputs are" in text and "the next value" not in text
    assert ("each of 3 seeds" in text and "95 % interval" in text) == (seeds > 1)
    assert ("one seed" in text) == (seeds == 1)


def test_the_figure_tells_apart_what_the_models_were_told(tmp_path):
    both = rows({"raster": 6.0, "rgb": 6.3}, positions="own")
    both += rows({"raster": 6.0, "rgb": 6.1}, positions="target")
    text = tables.text_of(orders, both, tmp_path)
    assert "told where its inputs are" in text and "told where the next value goes too" in text


def test_seeds_that_are_nearly_equal_are_all_seen(monkeypatch):
    table = rows({"raster": 6.0, "rgb": 6.3}, noise=0)
    figure = tables.figure_of(orders, table, monkeypatch)
    dots = [line for line in figure.axes[1].lines if line.get_color() == "grey"]
    (places,) = [line.get_xdata() for line in dots]
    assert len(set(places)) == 3
