"""Who decides whether a progress bar is shown."""

import sys
import types

import pytest

from vae_notes import progress


@pytest.mark.parametrize(
    ("asked", "variable", "terminal", "notebook", "wanted"),
    [
        (None, None, False, False, False),
        (None, None, True, False, True),
        (None, None, False, True, True),
        (None, "0", True, True, False),
        (None, "1", False, False, True),
        (None, "", True, False, True),  # an empty variable says nothing
        (True, "0", False, False, True),
        (False, "1", True, True, False),
    ],
)
def test_the_caller_then_the_variable_then_the_place(
    asked, variable, terminal, notebook, wanted, monkeypatch
):
    monkeypatch.delenv("VAE_NOTES_PROGRESS", raising=False)
    if variable is not None:
        monkeypatch.setenv("VAE_NOTES_PROGRESS", variable)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    kernel = types.SimpleNamespace(kernel=object()) if notebook else None
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: kernel))
    assert progress.progress_wanted(asked) is wanted


def test_the_bar_suits_the_place(monkeypatch):
    assert progress.tqdm_class().__module__.startswith("tqdm.std")
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    assert progress.tqdm_class().__module__.startswith("tqdm.notebook")
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: None)
    assert progress.tqdm_class().__module__.startswith("tqdm.std")
