"""How Sphinx makes the site of these pages and of the docstrings: `make docs`.

The pages are those that GitHub shows. What the two read differently is put right here.
"""

import inspect
import re
import textwrap

import keras_perceiver_ar

project = "keras_perceiver_ar"
version = release = keras_perceiver_ar.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project
html_show_copyright = html_show_sphinx = False

nb_execution_mode = "off"  # a test runs the notebook
myst_heading_anchors = 4  # as GitHub makes them

default_role = "py:obj"  # a link where the name is documented, else code
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
napoleon_custom_sections = [("Call arguments", "params_style")]
napoleon_use_ivar = True  # "Attributes:" would describe the fields of a tuple twice

# These lie outside docs/; pages of the site include them.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
CODE = re.compile(
    r"^(?P<indent> *)```\w*\n(?P<block>.*?)^ *```|(?P<ticks>`+)(?P<code>.+?)(?P=ticks)",
    re.MULTILINE | re.DOTALL,
)


def read_page(app, docname, source):
    """A page's links to those that lie outside docs/."""
    up = "../" * docname.count("/")
    for path, page in PAGES.items():
        source[0] = source[0].replace(f"]({up}../{path}", f"]({up}{page}")


def read_included(app, relative_path, parent_docname, content):
    """The links of a page that lies outside docs/."""
    for path, page in PAGES.items():
        content[0] = content[0].replace(f"]({path}", f"]({page}")
    content[0] = content[0].replace("](docs/", "](")


def read_docstring(app, what, name, obj, options, lines):
    """Code as docstrings have it, which is Markdown's, in reStructuredText."""
    lines[:] = CODE.sub(_code, "\n".join(lines)).split("\n")


def _code(match):
    if match["block"] is not None:
        block = textwrap.indent(match["block"], "    ")
        return f"{match['indent']}.. code-block:: python\n\n{block}"
    # A name stays a reference.
    is_name = len(match["ticks"]) == 1 and re.fullmatch(r"[\w.]+", match["code"])
    return match[0] if is_name else f"``{match['code']}``"


def write_signature(app, what, name, obj, options, signature, returns):
    """The arguments of a Keras class, whose `__new__` takes anything; functions by their names."""
    if what == "class" and signature == "(*args, **kwargs)":
        arguments = inspect.signature(obj.__init__)
        signature = str(arguments.replace(parameters=list(arguments.parameters.values())[1:]))
    return re.sub(r"<function (\w+) at \w+>", r"\1", signature or "") or None, returns


def is_left_out(app, what, name, obj, is_skipped, options):
    """Fields of a named tuple have no docstring of their own; the tuple's tells of them."""
    if (obj.__doc__ or "").startswith("Alias for field number"):
        return True
    return None


def setup(app):
    """Sphinx asks an extension for this."""
    app.connect("source-read", read_page)
    app.connect("include-read", read_included)
    # Before napoleon takes the sections apart.
    app.connect("autodoc-process-docstring", read_docstring, priority=400)
    app.connect("autodoc-process-signature", write_signature)
    app.connect("autodoc-skip-member", is_left_out)
