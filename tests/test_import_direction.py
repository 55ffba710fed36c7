"""The modules of the package import in one direction, and importing the package is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vae_notes

PACKAGE = Path(vae_notes.__file__).parent

# From the ground up: a module may import those on lower lines. A new module gets its line here.
LAYERS = [
    {"checks", "checkpoints", "interrupts", "progress"},
    {"densities", "categorical", "straight_through", "schedules", "coding", "latent_space", "anomaly"},
    {"divergences", "student_t", "gumbel", "vector_quantization", "autoregressive", "bits_back"},
    {"reparameterization", "monte_carlo", "bounds", "collapse", "relaxed_categorical"}
    | {"student_t_likelihood", "student_t_divergences", "multivariate_student_t"},
    {"linear_gaussian", "likelihoods", "information", "free_bits", "categorical_vae"},
    {"models"},
    {"autoencoder", "student_t_latent"},
]
# To the side: these import the ground only, and nothing imports them.
SIDE = {"training", "data", "plots", "__main__"}
# On top: bugs, live figures and recorded runs put the modules to use. Only pages and the command line import them.
TOP = ("bugs", "live", "reproduce")
# Libraries that cost time, by the modules that may import them at their top. Others import them in functions.
HEAVY = {
    "matplotlib": {"plots"},
    "sklearn": set(),
    "sympy": set(),
    "pooch": set(),
    "scipy": set(),
    "tqdm": set(),
    "joblib": set(),
}
FILES = {path.stem: path for path in sorted(PACKAGE.glob("*.py")) if path.stem != "__init__"}
ON_TOP = {path.relative_to(PACKAGE).as_posix(): path for top in TOP for path in sorted((PACKAGE / top).rglob("*.py"))}


def imported_modules(tree):
    """The names of all imports in a syntax tree, with the names taken from them: a.b for `from a import b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def siblings(source):
    """The modules of the package that a source text imports, wherever in the text."""
    for name in imported_modules(ast.parse(source)):
        if name.startswith(("vae_notes", ".")):
            parts = name.lstrip(".").removeprefix("vae_notes.").split(".")
            yield parts[0]


def allowed(module):
    if module in SIDE:
        return LAYERS[0] | {"__version__"}
    level = next((i for i, layer in enumerate(LAYERS) if module in layer), None)
    assert level is not None, f"vae_notes.{module} is new: give it a line in LAYERS or SIDE of this test"
    return set().union(*LAYERS[:level], {"__version__"})


def violations(module, source):
    return sorted(set(siblings(source)) - allowed(module))


def top_level_heavy(module, source):
    """Heavy libraries that are imported outside functions, where every import of the module pays for them."""
    outside = [
        node for node in ast.parse(source).body if not isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    roots = {name.split(".")[0] for name in imported_modules(ast.Module(outside, []))}
    return sorted(root for root in roots if module not in HEAVY.get(root, {module}))


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module):
    assert violations(module, FILES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", FILES)
def test_heavy_libraries_are_imported_where_they_are_used(module):
    assert top_level_heavy(module, FILES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ON_TOP)
def test_what_is_on_top_imports_heavy_libraries_where_they_are_used(name):
    assert top_level_heavy(name, ON_TOP[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ON_TOP)
def test_packages_on_top_do_not_import_each_other(name):
    own = name.split("/")[0]
    assert set(siblings(ON_TOP[name].read_text(encoding="utf-8"))) & set(TOP) <= {own}


def test_the_graph_names_no_module_that_is_gone():
    assert set(FILES) == set().union(*LAYERS, SIDE)


def test_the_package_itself_imports_no_module():
    assert list(siblings((PACKAGE / "__init__.py").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("densities", "from vae_notes.bounds import log_weights", ["bounds"]),
        ("densities", "def f():\n    import vae_notes.models as m", ["models"]),
        ("divergences", "from .models import VAE", ["models"]),
        ("divergences", "from . import models", ["models"]),
        ("bounds", "from vae_notes import checks, monte_carlo", ["monte_carlo"]),
        ("training", "from vae_notes import bounds", ["bounds"]),
        ("data", "from vae_notes import plots, training", ["plots", "training"]),
        ("models", "from vae_notes import plots", ["plots"]),
        ("plots", "from vae_notes.reproduce import recorded", ["reproduce"]),
        ("models", "from vae_notes.bugs import bug", ["bugs"]),
        ("models", "from vae_notes.bounds import log_weights", []),
    ],
)
def test_a_wrong_import_would_be_noticed(module, source, found):
    assert violations(module, source) == found


def test_a_heavy_import_would_be_noticed():
    assert top_level_heavy("data", "import sklearn.datasets") == ["sklearn"]
    assert top_level_heavy("data", "if True:\n    from matplotlib import pyplot") == ["matplotlib"]
    assert top_level_heavy("plots", "import matplotlib.pyplot") == []
    assert top_level_heavy("data", "def load():\n    import sklearn") == []
    with pytest.raises(AssertionError, match="vae_notes.brand_new is new: give it a line"):
        violations("brand_new", "")


PROGRAM = """
import sys, time, torch
before, loaded = time.process_time(), set(sys.modules)
import vae_notes
print(*sorted({"matplotlib", "sympy", "sklearn"} & (set(sys.modules) - loaded)))
print(*(name for name in sys.modules if name.startswith("vae_notes.")))
for name in %r:
    __import__("vae_notes." + name)
print(time.process_time() - before)
"""


def test_importing_is_cheap():
    """CPU time beyond torch's own, for the package and all its modules but the one that draws."""
    program = PROGRAM % sorted(set(FILES) - {"plots"})
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    heavy, submodules, seconds = run.stdout.splitlines()
    assert heavy == "" and submodules == ""
    assert float(seconds) < 2, f"importing took {seconds} s"
