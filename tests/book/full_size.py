"""Run the code of one notebook as on a GPU, but with tiny data and short training: python full_size.py NOTEBOOK.

The line of the switch, `full = torch.cuda.is_available()`, becomes `full = True`. In the place of MNIST stand a
few of scikit-learn's digits, drawn on 10 by 10 pixels with 256 grey levels: another shape than that of the quick
run, and as quick. `training.fit` runs four epochs at most; and where a number depends on the switch (`600 if full else 30`),
the smaller one is taken. All else is the notebook's own code, its checks included, except those of NEED_TRAINING.
"""

import ast
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

SWITCH = "full = torch.cuda.is_available()"
# Cells that hold what was trained against theory, at either size: so few epochs are not enough.
NEED_TRAINING = {
    "06-first-vae": ("solution-1-code", "solution-6-code"),
    "08-posterior-collapse": (
        "collapsed-check",
        "linear-compare",
        "linear-more",
        "annealing-end",
        "price-compare",
        "price-six",
    ),
}
SIDE, TRAIN, TEST = 10, 200, 60  # pixels; images, enough for each digit, held out as well


class _SmallerNumbers(ast.NodeTransformer):
    """`a if full else b`, with numbers a and b, becomes the smaller of them; checks are taken out where asked."""

    def __init__(self, keep_checks):
        self.keep_checks = keep_checks

    def visit_Assert(self, node):
        return self.generic_visit(node) if self.keep_checks else ast.copy_location(ast.Pass(), node)

    def visit_IfExp(self, node):
        self.generic_visit(node)
        numbers = (node.body, node.orelse)
        by_switch = isinstance(node.test, ast.Name) and node.test.id == "full"
        if by_switch and all(isinstance(n, ast.Constant) and type(n.value) in (int, float) for n in numbers):
            return min(numbers, key=lambda n: n.value)
        return node


def shrunk(source, keep_checks=True):
    """A cell with the switch set to the full size and the numbers that depend on it made small."""
    return _SmallerNumbers(keep_checks).visit(ast.parse(source.replace(SWITCH, "full = True")))


def code_cells(notebook):
    content = json.loads(Path(notebook).read_text(encoding="utf8"))
    return [(c["id"], "".join(c["source"])) for c in content["cells"] if c["cell_type"] == "code"]


def has_switch(notebook):
    return any(SWITCH in source for _, source in code_cells(notebook))


def small_mnist():
    """Digits of another shape than 8 by 8, with MNIST's grey levels."""
    import torch
    import torch.nn.functional as F

    from vae_notes import data

    digits = data.load("digits")

    def larger(x):
        pictures = F.interpolate(x.view(-1, 1, 8, 8), size=(SIDE, SIDE), mode="bilinear")
        return (pictures.flatten(1) * 255).round() / 255

    assert torch.equal(digits.train_labels[:TRAIN].unique(), torch.arange(10))
    return replace(
        digits,
        train=larger(digits.train[:TRAIN]),
        test=larger(digits.test[:TEST]),
        train_labels=digits.train_labels[:TRAIN],
        test_labels=digits.test_labels[:TEST],
        shape=(SIDE, SIDE),
        levels=256,
    )


def make_small():
    """Put small data and short training in the place of the large ones; gives the calls that were replaced."""
    from vae_notes import data, training

    load, fit, mnist, calls = data.load, training.fit, small_mnist(), []

    def small_load(name):
        calls.append(("load", name))
        return mnist if name == "mnist" else load(name)

    def short_fit(*args, epochs, **settings):
        calls.append(("fit", epochs))
        return fit(*args, epochs=min(epochs, 4), **settings | {"progress": False})

    data.load, training.fit = small_load, short_fit
    return calls


def run(notebook):
    import warnings

    import matplotlib

    matplotlib.use("Agg")
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    calls, names = make_small(), {"__name__": "__main__"}
    unchecked = NEED_TRAINING.get(Path(notebook).stem, ())
    for cell, source in code_cells(notebook):
        try:
            exec(compile(shrunk(source, cell not in unchecked), f"<{cell}>", "exec"), names)  # noqa: S102
        except Exception as error:
            error.add_note(f"in cell {cell} of {Path(notebook).name}")
            raise
    return names, calls


if __name__ == "__main__":
    os.environ.setdefault("VAE_NOTES_PROGRESS", "0")
    _, made = run(sys.argv[1])
    print(json.dumps(made))
