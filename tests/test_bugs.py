"""Bugs that still train: each test shown on the page tells the two functions apart, and both train.

The tests are read from the page, book/bugs.ipynb: what readers see is what is checked here.
"""

import ast
import inspect
import json
import re
from collections import Counter

import numpy as np
import pytest
import torch
from project import ROOT

from vae_notes import bugs
from vae_notes.bugs.models import TinyCategoricalVAE, TinyGaussianVAE, TinyVAE, TinyVQVAE
from vae_notes.bugs.trial import trial

ALL = bugs.all_bugs()
CELLS = json.loads((ROOT / "book/bugs.ipynb").read_text(encoding="utf8"))["cells"]
TEXTS = {cell["id"]: "".join(cell["source"]) for cell in CELLS}
MOST_DIFFERENT_LINES = 4  # of both functions together

each_bug = pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.name)
both_functions = pytest.mark.parametrize("which", ["correct", "broken"])


def names_on_the_page():
    """The functions catches_... of the page, with its imports and helpers, without running its trainings."""
    nodes = []
    for cell in CELLS:
        if cell["cell_type"] == "code" and cell["id"] != "setup":
            body = ast.parse("".join(cell["source"])).body
            nodes += [node for node in body if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)]
    names = {}
    exec(compile(ast.Module(nodes, []), "bugs.ipynb", "exec"), names)  # noqa: S102
    return names


PAGE = names_on_the_page()


def catches(bug):
    return PAGE[f"catches_{bug.name.replace('-', '_')}"]


def body_of(function):
    """The lines of a function after its signature."""
    node = ast.parse(inspect.getsource(function)).body[0]
    return [line.strip() for statement in node.body for line in ast.unparse(statement).splitlines()]


def test_there_are_enough_bugs_with_names_of_their_own():
    assert len(ALL) >= 20
    assert [name for name, count in Counter(bug.name for bug in ALL).items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", bug.name) for bug in ALL)
    assert len({(bug.correct, bug.broken) for bug in ALL}) == len(ALL)


def test_a_bug_is_found_by_its_name():
    assert bugs.bug("mean-over-pixels") is not None
    assert [bugs.bug(one.name).name for one in ALL] == [one.name for one in ALL]
    with pytest.raises(ValueError, match="name must be one of kl-rewarded, .*, got 'kl-forgotten'"):
        bugs.bug("kl-forgotten")


@each_bug
def test_its_test_passes_on_the_correct_function(bug):
    catches(bug)(bug.correct)


@each_bug
def test_its_test_fails_on_the_broken_function(bug):
    with pytest.raises(AssertionError, match=r"\w+ \w+"):
        catches(bug)(bug.broken)


@each_bug
def test_the_two_differ_by_little_and_share_their_signature(bug):
    assert inspect.signature(bug.correct) == inspect.signature(bug.broken)
    correct, broken = body_of(bug.correct), body_of(bug.broken)
    different = Counter(correct) - Counter(broken) + (Counter(broken) - Counter(correct))
    assert 0 < different.total() <= MOST_DIFFERENT_LINES, different


@both_functions
@each_bug
def test_values_and_gradients_are_finite(bug, which):
    torch.manual_seed(0)
    model = bug.build(getattr(bug, which))
    loss = model.loss(torch.rand(5, 64), torch.Generator().manual_seed(0))["loss"]
    assert loss.shape == (5,) and loss.isfinite().all()
    loss.mean().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)


@both_functions
@each_bug
def test_a_short_training_has_a_falling_loss(bug, which):
    found = trial(bug, getattr(bug, which), epochs=4)
    assert found.curve.shape == (4,) and np.isfinite(found.curve).all() and np.isfinite(found.bound)
    assert found.curve[-1] < found.curve[0], found.curve


@each_bug
def test_the_page_says_what_the_registry_says(bug):
    text = TEXTS[bug.name]
    for part in (bug.symptom, bug.cause, bug.remedy):
        assert part in text, part
    assert re.search(rf"\(Chapter \[{bug.chapter:02d}\]\({bug.chapter:02d}-[a-z-]+\.ipynb\)\.\)", text)
    assert f'verdict("{bug.name}", {catches(bug).__name__})' in TEXTS[f"{bug.name}-test"]


@each_bug
def test_the_page_shows_the_lines_that_differ(bug):
    shown = re.search(r"```python\n# correct\n(.+)\n# broken\n(.+)\n```", TEXTS[bug.name], re.DOTALL)
    assert shown, "the entry has no block of code with # correct and # broken"
    for text, function in zip(shown.groups(), (bug.correct, bug.broken), strict=True):
        missing = [line for line in text.splitlines() if line not in inspect.getsource(function)]
        assert missing == []
    assert shown.group(1) != shown.group(2)


def test_every_entry_of_the_page_is_a_bug():
    entries = [cell["id"] for cell in CELLS if "".join(cell["source"]).startswith("### ")]
    assert entries == [bug.name for bug in ALL]


def test_the_same_seed_gives_the_same_trial():
    bug = bugs.bug("kl-averaged")
    first, second, other = (trial(bug, bug.correct, epochs=1, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.curve, second.curve) and first.bound == second.bound
    assert first.bound != other.bound


def test_a_mistake_of_evaluation_leaves_the_model_alone():
    for bug in (one for one in ALL if one.family == "evaluation"):
        correct, broken = (trial(bug, function, epochs=1) for function in (bug.correct, bug.broken))
        assert correct.bound == broken.bound, bug.name
        assert correct.curve[-1] != broken.curve[-1], bug.name


def test_an_unknown_part_is_refused():
    with pytest.raises(TypeError, match="parts must be among targets, .*, got decoder"):
        TinyVAE(decoder=None)


@pytest.mark.parametrize("model", [TinyVAE(), TinyGaussianVAE(None), TinyVQVAE(), TinyCategoricalVAE()])
def test_models_refuse_what_is_no_grey_image(model):
    with pytest.raises(ValueError, match="x must lie between 0 and 1"):
        model.check_data(torch.full((2, 64), 1.5))
