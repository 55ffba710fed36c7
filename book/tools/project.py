"""Where things lie, which pages the book has, and the environment in which its notebooks run."""

import os
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"
HTML = BUILD / "html"


def config():
    """The settings of _config.yml."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))


def pages():
    """The pages of _toc.yml in order, without suffix: ``book/index`` and so on."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
    found = [toc["root"]]

    def walk(node):
        for entry in node.get("parts", []) + node.get("chapters", []) + node.get("sections", []):
            if "file" in entry:
                found.append(entry["file"])
            walk(entry)

    walk(toc)
    return found


def notebooks():
    """The notebooks among the pages."""
    paths = [ROOT / f"{page}.ipynb" for page in pages()]
    return [path for path in paths if path.exists()]


def chapters():
    """The notebooks that are chapters: those whose names begin with their number."""
    return [path for path in notebooks() if re.match(r"\d\d-", path.name)]


def notebook_environment(threads=1):
    """The environment variables with which every notebook of the book is run, here and in the tests.

    No progress bars, no panels that wait for a kernel, a fixed number of threads, and nothing from the user's own Jupyter, IPython, Matplotlib
    or site-packages: the kernel is the one of this virtual environment.
    """
    state = BUILD / "jupyter"
    number = str(threads)
    own = {
        "VAE_NOTES_PROGRESS": "0",
        "VAE_NOTES_PANELS": "0",
        "OMP_NUM_THREADS": number,
        "MKL_NUM_THREADS": number,
        "OPENBLAS_NUM_THREADS": number,
        "OMP_WAIT_POLICY": "PASSIVE",  # on a busy machine, waiting threads that spin cost ten times the work
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
        "JUPYTER_DATA_DIR": str(state / "data"),
        "JUPYTER_CONFIG_DIR": str(state / "config"),
        "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        "IPYTHONDIR": str(state / "ipython"),
        "MPLCONFIGDIR": str(state / "matplotlib"),
        "PYTHONNOUSERSITE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    for folder in ("data", "config", "runtime", "ipython/profile_default", "matplotlib"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    quiet = 'get_config().IPKernelApp.log_level = "ERROR"\n'  # a kernel's start is no news
    (state / "ipython/profile_default/ipython_kernel_config.py").write_text(quiet)
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "MPLBACKEND", "MATPLOTLIBRC")}
    return {**kept, **own}
