"""The book's own Sphinx extension: it mends what would make the site load anything from elsewhere.

- sphinx-thebe, which Jupyter Book always loads, declares its constants twice (a console error on every page)
  and names a CDN: its handlers are disconnected.
- MathJax comes with the site: of the files that sphinx-mathjax-offline brings, those that a page can ask for
  are copied (its own extension would copy all 24 MB).

It also marks the boxes of common mistakes, which are plain blockquotes in the source, for the style sheet.
"""

import shutil
from importlib.metadata import files
from pathlib import Path

from docutils import nodes

MATHJAX_FILES = ("tex-chtml.js", "input/tex/extensions", "output/chtml/fonts")


def disconnect_thebe(app, config):
    """Take sphinx-thebe's script, style sheet and configuration block off every page."""
    app.registry.css_files[:] = [css for css in app.registry.css_files if css[0] != "sphinx-thebe.css"]
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if getattr(listener.handler, "__module__", "").startswith("sphinx_thebe"):
                app.disconnect(listener.id)


def mathjax_folder():
    """Where sphinx-mathjax-offline keeps its copy (its folder's name cannot be imported)."""
    for file in files("sphinx-mathjax-offline"):
        if file.name == "tex-chtml.js":
            return Path(file.locate()).parent
    raise FileNotFoundError("sphinx-mathjax-offline holds no tex-chtml.js")


def copy_mathjax(app, failure):
    if failure or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for name in MATHJAX_FILES:
        if (target / name).exists():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (source / name).is_dir() else shutil.copy
        copy(source / name, target / name)


def mark_mistakes(app, doctree):
    for quote in doctree.findall(nodes.block_quote):
        if quote.astext().startswith("Common mistakes"):
            quote["classes"].append("mistakes")


def setup(app):
    app.connect("config-inited", disconnect_thebe)
    app.connect("doctree-read", mark_mistakes)
    app.connect("build-finished", copy_mathjax)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
