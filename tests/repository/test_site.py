"""The site builds without a warning, describes every public name, and its links lead somewhere."""

import html.parser
import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from urllib.parse import unquote, urlsplit

import pytest
from sphinx.util.inventory import InventoryFile

import keras_perceiver_ar

pytestmark = pytest.mark.slow

ELSEWHERE = (
    "pipelines.configuration.Experiment",
    "pipelines.data.BooksTask",
    "pipelines.data.CopyTask",
    "pipelines.data.InputFnTask",
    "pipelines.data.LatentCrop",
    "pipelines.data.RandomCrop",
    "pipelines.data.ShardsTask",
    "pipelines.distribution.Distribution",
    "pipelines.estimator.Estimator.from_model_dir",
    "pipelines.settings.RunConfig",
    "pipelines.settings.TrainSettings",
    "savedmodels.client.Client.generate_text",
    "savedmodels.client.Retries",
    "savedmodels.client.ServingError",
    "savedmodels.export.export_run",
    "savedmodels.writer.write_version",
)


def build(repository, source, output):
    """Runs what `make docs` runs, with folders of the test's own."""
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    (flags,) = re.findall(r"-m sphinx (.+) -d docs/_build/doctrees docs docs/_build/html", makefile)
    places = ["-d", str(output / "doctrees"), str(source), str(output / "html")]
    environment = {**os.environ, "PYTHONPATH": str(repository), "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-m", "sphinx", *flags.split(), *places]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = build(repository, repository / "docs", folder)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def described(site):
    """Full names of all Python objects that the site describes."""
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    return {
        name for kind in inventory if kind.startswith("py:") for name in inventory[kind]
    } - inventory["py:module"].keys()


def public_names(module):
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    return {name: getattr(module, name) for name in names}


def test_every_public_name_is_in_the_reference(described):
    names = {}  # of an object, all that it is exported by
    root = f"{keras_perceiver_ar.__name__}."
    packages = [m.name for m in pkgutil.walk_packages(keras_perceiver_ar.__path__, root) if m.ispkg]
    for package in map(importlib.import_module, packages):
        for name, value in public_names(package).items():
            if not inspect.ismodule(value):
                names.setdefault(id(value), []).append(f"{package.__name__}.{name}")
            elif package.__name__.endswith(".codecs"):
                for function, defined in public_names(value).items():
                    if getattr(defined, "__module__", None) == value.__name__:
                        names[id(defined)] = [f"{value.__name__}.{function}"]
    assert len(names) > 50
    assert not [exported for exported in names.values() if not described.intersection(exported)]


def test_what_other_floors_offer_is_in_the_reference(described):
    assert not set(ELSEWHERE) - described


class Page(html.parser.HTMLParser):
    """What an HTML page links to, and the places in it that others may link to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.places = [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places |= {attributes.get("id")}
        self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]


def test_every_link_of_the_site_leads_somewhere(site):
    read = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    followed, broken = 0, []
    for path, page in read.items():
        for link in map(urlsplit, page.links):
            if link.scheme or link.netloc:
                continue
            target = (path.parent / unquote(link.path)).resolve() if link.path else path
            followed += 1
            places = read[target].places if target in read else {""}
            if not target.is_file() or unquote(link.fragment) not in places:
                broken.append(f"{path.relative_to(site)}: {link.geturl()}")
    assert followed > 1000 and not broken


def test_every_page_is_on_the_site(site, repository_files):
    wanted = [path for path in repository_files if path.parts[0] == "docs"]
    wanted = [path for path in wanted if path.suffix in (".md", ".rst", ".ipynb")]
    assert wanted
    assert not [
        p for p in wanted if not (site / p.relative_to("docs")).with_suffix(".html").exists()
    ]


def test_pages_of_the_root_lead_to_one_another(site):
    index = Page((site / "index.html").read_text(encoding="utf-8"))
    assert {"contributing.html", "training.html"} <= set(index.links)
    training = Page((site / "training.html").read_text(encoding="utf-8"))
    assert "index.html#from-books-to-a-served-model" in training.links


def test_links_to_nowhere_are_refused_and_those_to_source_files_taken(repository, tmp_path):
    (tmp_path / "docs").mkdir()
    shutil.copy(repository / "docs" / "conf.py", tmp_path / "docs")
    (tmp_path / "source.py").write_text("")
    links = ("../source.py", "#title", "other.md", "#nowhere", "index.md#nowhere")
    lines = "".join(f"\n[there]({link})\n" for link in links)
    (tmp_path / "docs" / "index.md").write_text(f"# Title\n{lines}")
    done = build(repository, tmp_path / "docs", tmp_path)
    assert done.returncode != 0
    assert re.findall(r"index\.md:(\d+): WARNING", done.stderr) == ["7", "9", "11"]
