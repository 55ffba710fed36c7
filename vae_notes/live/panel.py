"""Where Python should answer: a row of choices and a button beside a live figure, in Jupyter and Colab only."""

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any


def python_answers() -> bool:
    """Whether a panel shown now would be answered: ``ipywidgets`` is there, and a notebook's kernel runs.

    Returns
    -------
    bool
        False on the site, where no kernel runs: the book's builds and tests set VAE_NOTES_PANELS=0.

    Examples
    --------
    >>> python_answers()  # in a plain interpreter
    False
    """
    if os.environ.get("VAE_NOTES_PANELS") == "0" or importlib.util.find_spec("ipywidgets") is None:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


class Panel:
    """Choices with which Python makes a figure anew; a line of text where nobody would answer.

    Parameters
    ----------
    make
        Called with one value for each choice; what it returns is shown below the panel.
    title
        What the button says.
    **choices
        The values of each choice, in order. The first is chosen at first.

    Raises
    ------
    ValueError
        If a choice has no values, or there is no choice.

    Examples
    --------
    >>> Panel(lambda beta: beta, "Train again", beta=(1.0, 4.0))
    Panel "Train again" (beta: 1.0, 4.0). It answers where Python runs: in Jupyter and in Colab.
    """

    def __init__(self, make: Callable[..., Any], title: str, **choices: Sequence[Any]):
        empty = [name for name, values in choices.items() if not len(values)]
        if empty or not choices:
            raise ValueError(f"a panel needs at least one choice and values for each, got none for {empty or 'any'}")
        self.make, self.title, self.choices = make, title, choices

    def __repr__(self) -> str:
        choices = "; ".join(f"{name}: {', '.join(map(str, values))}" for name, values in self.choices.items())
        return f'Panel "{self.title}" ({choices}). It answers where Python runs: in Jupyter and in Colab.'

    def widget(self):
        """The panel as a box of widgets: a drop-down for each choice, the button, and the place of the figure."""
        import ipywidgets
        from IPython.display import display

        menus = {name: ipywidgets.Dropdown(options=list(v), description=name) for name, v in self.choices.items()}
        button, place = ipywidgets.Button(description=self.title), ipywidgets.Output()

        def answer(_):
            button.disabled = True
            place.clear_output()
            try:
                with place:
                    display(self.make(**{name: menu.value for name, menu in menus.items()}))
            finally:
                button.disabled = False

        button.on_click(answer)
        return ipywidgets.VBox([ipywidgets.HBox([*menus.values(), button]), place])

    def _repr_mimebundle_(self, include=None, exclude=None):
        shown = self.widget()._repr_mimebundle_() if python_answers() else {}
        return {**shown, "text/plain": repr(self)}
