"""Links between the pages, as GitHub follows them; those of the site are in test_site.py."""

import os
from urllib.parse import urlsplit

import pytest

from tests.repository import pages

# Of the site alone: they include the README and CONTRIBUTING.md.
SITE = ("docs/index.md", "docs/contributing.md")


@pytest.fixture(scope="module")
def found(repository, repository_files):
    """Each page's links that stay in the repository: dict of name to (file, anchor)."""
    found = {}
    for path in repository_files:
        if path.suffix == ".md" and path.parts[0] != "tests" and str(path) not in SITE:
            found[str(path)] = [
                (os.path.normpath(path.parent / link.path) if link.path else str(path), anchor)
                for link in map(urlsplit, pages.links(repository / path))
                if not link.scheme
                for anchor in [link.fragment]
            ]
    return found


def test_every_link_leads_to_a_file_and_a_heading(repository, found):
    broken = [
        f"{page}: {file}#{anchor}"
        for page, links in found.items()
        for file, anchor in links
        if not (repository / file).exists()
        or (anchor and anchor not in pages.anchors(repository / file))
    ]
    assert sum(map(len, found.values())) > 30 and not broken


def test_every_page_is_reached_from_the_readme(repository_files, found):
    reached, left = set(), ["README.md"]
    while left:
        page = left.pop()
        if page not in reached:
            reached.add(page)
            left += [file for file, _ in found.get(page, ())]
    wanted = {str(path) for path in repository_files if path.suffix in (".md", ".ipynb")}
    wanted = {path for path in wanted if path.startswith("docs/")} - set(SITE)
    assert len(wanted) > 9
    assert not wanted - reached, "no link leads there: add one to the README"


@pytest.mark.parametrize(
    ("title", "anchor"),
    [
        ("What `generate` takes", "what-generate-takes"),
        ("Positions: `positions=`", "positions-positions"),
        ("In Python: `Estimator`", "in-python-estimator"),
        ("Hot-swap, 4 × 4", "hot-swap-4--4"),
    ],
)
def test_anchors_are_those_of_github(tmp_path, title, anchor):
    (tmp_path / "page.md").write_text(f"```sh\n# not this\n```\n\n## {title}\n")
    assert pages.anchors(tmp_path / "page.md") == {anchor}
