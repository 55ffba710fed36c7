"""Whether to show a progress bar, and which one: for terminals, Jupyter and Colab."""

import importlib.util
import os
import sys

__all__ = ["in_notebook", "progress_wanted", "tqdm_class"]


def in_notebook() -> bool:
    """Say whether this runs in a Jupyter or Colab kernel, found without importing IPython.

    Examples
    --------
    >>> in_notebook()
    False
    """
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def progress_wanted(progress: bool | None) -> bool:
    """Say whether a progress bar should be shown.

    Parameters
    ----------
    progress : bool, optional
        What the caller asked for; it wins. With None the environment variable ``VAE_NOTES_PROGRESS`` (0 or 1)
        decides, and without it whether somebody watches: a terminal, or a Jupyter or Colab kernel.

    Examples
    --------
    >>> progress_wanted(False)
    False
    """
    wish = os.environ.get("VAE_NOTES_PROGRESS", "")
    if progress is not None:
        return progress
    return wish == "1" if wish in ("0", "1") else in_notebook() or sys.stderr.isatty()


def tqdm_class() -> type:
    """The bar that suits the place, imported only now: importing it costs time, and most runs show none.

    Examples
    --------
    >>> tqdm_class().__name__
    'tqdm'
    """
    if in_notebook() and importlib.util.find_spec("ipywidgets"):  # without it tqdm.notebook complains
        from tqdm.notebook import tqdm
    else:
        from tqdm import tqdm
    return tqdm
