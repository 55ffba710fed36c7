"""The examples in the docstrings run, every public function and class has one, and none is skipped."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
import torch

import vae_notes

# Recipes are settings and a function that trains; the command lines show themselves: none needs an example.
NOT_SHOWN = ("__main__", "reproduce.__main__", "reproduce.recipes")


def modules_with_names(path):
    """All modules below a package, with dotted names; packages themselves only gather."""
    for module in pkgutil.walk_packages(path, "vae_notes."):
        name = module.name.removeprefix("vae_notes.")
        if not module.ispkg and not name.startswith(NOT_SHOWN):
            yield name


MODULES = sorted(modules_with_names(vae_notes.__path__))
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def load(name):
    if name == "plots":
        importlib.import_module("matplotlib").use("Agg")
    return importlib.import_module(f"vae_notes.{name}")


def examples_of(module):
    """The doctests of a module that hold at least one example, by the name of their object."""
    tests = doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs={"torch": torch})
    return {test.name.removeprefix(f"{module.__name__}."): test for test in tests if test.examples}


def public_names(module):
    """The functions and classes that a module defines itself, without a leading underscore."""
    return [
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]


def is_shown(name, examples):
    """An example may stand in the docstring of the object or, for a class, of one of its methods."""
    return any(shown == name or shown.startswith(f"{name}.") for shown in examples)


def test_the_modules_are_found():
    assert {"checks", "densities", "divergences", "bounds", "linear_gaussian", "reproduce.runner"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    examples = examples_of(load(name))
    assert examples, f"vae_notes.{name} has no example at all"
    for test in examples.values():
        torch.manual_seed(0)
        results = doctest.DocTestRunner(optionflags=OPTIONS).run(test)
        assert results.attempted > 0, f"no example of {test.name} ran"
        assert results.failed == 0, f"an example of {test.name} failed: see the output above"
        assert not getattr(results, "skipped", 0), f"an example of {test.name} is skipped"


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_and_class_has_an_example(name):
    module = load(name)
    public, examples = public_names(module), examples_of(module)
    assert public, f"vae_notes.{name} defines nothing public"
    assert [one for one in public if not is_shown(one, examples)] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_and_class_has_a_docstring_that_starts_with_a_sentence(name):
    module = load(name)
    for one in public_names(module):
        first = (inspect.getdoc(getattr(module, one)) or "").split("\n\n")[0].strip()
        assert first.endswith((".", ":")), f"{name}.{one}: {first!r}"


def test_a_wrong_example_would_be_noticed():
    """The runner above must be able to fail, and the search above to miss what is not there."""
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(wrong, out=lambda text: None).failed == 1
    examples = examples_of(load("linear_gaussian"))
    assert is_shown("LinearGaussian", examples) and not is_shown("Linear", examples)
    assert "LinearGaussian.elbo" in examples and examples["LinearGaussian.elbo"].examples
