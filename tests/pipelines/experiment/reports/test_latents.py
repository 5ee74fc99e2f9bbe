from pipelines.experiment.reports import latents, latents_books
from tests.pipelines.experiment.reports import tables


def rows(costs, documents=2):
    """A table of numbers of latents that cost so many bits per byte."""
    return [
        row
        for number, cost in costs.items()
        for row in tables.documents(
            [cost - 0.1, cost + 0.1][:documents],
            latents=number,
            trained_latents=64,
            context=512,
            flops_per_target=1e6 * (1 + 512 / number),
            device="cpu",
        )
    ]


def test_the_paragraph_has_the_figures_of_the_table():
    told = latents.tell(rows({8: 2.9, 64: 2.7, 512: 2.6}))
    assert "On test 512 latents are best (2.600 bits per byte)" in told
    assert "the 64 of training take 2.700, 8 take 2.900, 512 2.600" in told
    assert "do not help" not in told
    assert "| 8 | 65.00 | 2.900 (" in told


def test_it_says_where_more_latents_do_not_help():
    told = latents.tell(rows({8: 2.9, 64: 2.7, 512: 2.8}))
    assert "64 latents are best" in told
    assert "**more latents than in training do not help at this size**" in told


def test_one_document_has_no_interval(tmp_path):
    told = latents.tell(rows({8: 2.9, 64: 2.7}, documents=1))
    assert "| 8 | 65.00 | 2.800 |" in told
    latents.draw(rows({8: 2.9, 64: 2.7}, documents=1), tmp_path / "picture.png")


def test_the_picture_names_what_it_shows(tmp_path):
    text = tables.text_of(latents_books, rows({8: 2.9, 64: 2.7, 512: 2.6}), tmp_path)
    for wanted in (
        "Trained with 64 latents over 512 inputs",
        "latents when measured",
        "bits per byte",
        "MFLOPs for each target",
        "as in training",
        "95 % interval over documents",
    ):
        assert wanted in text
