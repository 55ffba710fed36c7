"""What every live figure is made of: one block of HTML that needs nothing else, and a still picture.

The block holds its data as JSON, its style and its scripts. Plain HTML and no widget library: only this works from a
static page, from a saved file, in Jupyter and in Colab alike, with no kernel, no network and no build step.
"""

import base64
import html
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import quote

_STYLE = "live.css"
_BASE = "base.js"
_LARGE = "large.js"


def check_number(low: float, high: float, **values: float) -> None:
    """Raise unless every value is a number between two ends, those included.

    Parameters
    ----------
    low, high
        The ends of the range that the figure's controls can reach.
    **values
        The arguments to check, under their own names.

    Raises
    ------
    TypeError
        If a value is no number.
    ValueError
        If a value lies outside, or is not finite.

    Examples
    --------
    >>> check_number(0.3, 2.5, scale_q=9.0)
    Traceback (most recent call last):
    ...
    ValueError: scale_q must lie between 0.3 and 2.5, which its slider can reach, got 9.0
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number, got {type(value).__name__}")
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"{name} must lie between {low} and {high}, which its slider can reach, got {value}")


def number(value: float, digits: int) -> str:
    """A number as the figures write it: fixed digits, a true minus sign, no minus zero.

    Parameters
    ----------
    value
        Any finite number.
    digits
        How many stand after the point.

    Returns
    -------
    str
        What the scripts' `format` gives too.

    Examples
    --------
    >>> number(-1.25, 1), number(-0.001, 2)
    ('−1.2', '0.00')
    """
    text = f"{value:.{digits}f}"
    return text.replace("-", "" if float(text) == 0 else "−")


def script(name: str) -> str:
    """The text of one of the files in ``vae_notes/live/js``.

    Parameters
    ----------
    name
        The file's name.

    Returns
    -------
    str
        What stands in it.

    Examples
    --------
    >>> "vaeNotesLive" in script("base.js")
    True
    """
    return (files("vae_notes.live") / "js" / name).read_text(encoding="utf8")


def _json(data: dict[str, Any]) -> str:
    """JSON that cannot end the script in which it stands."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


class LiveFigure:
    """A figure that computes in the page, with the sentence and the still picture that stand for it elsewhere.

    Parameters
    ----------
    name
        The name of its file in ``vae_notes/live/js`` and of what the file defines.
    data
        What the script gets, as JSON can hold it; ``data["state"]`` is what the reader can change, as it is at first.
    sentence
        What the figure shows at first, in words and short numbers. It is stored in the notebook and compared there.
    alt
        A description of the still picture, for who cannot see it.
    still
        Draws the still picture and returns it: a matplotlib figure.
    large
        The names in ``data`` of what is large, as a model's weights: a site moves it into a file of its own. The script
        gets it by ``vaeNotesLive.large``.

    Raises
    ------
    ValueError
        If ``large`` names what ``data`` does not hold, or the state, which is always needed.

    Examples
    --------
    >>> def still():
    ...     from matplotlib.figure import Figure
    ...     return Figure(figsize=(1, 1))
    >>> figure = LiveFigure("gaussian_kl", {"state": {}}, "Nothing to see.", "An empty square.", still)
    >>> figure
    Live figure gaussian_kl: Nothing to see.
    >>> figure.html().startswith('<div class="vae-live" data-figure="gaussian_kl">')
    True
    """

    def __init__(
        self, name: str, data: dict[str, Any], sentence: str, alt: str, still: Callable, large: Sequence[str] = ()
    ):
        wrong = [key for key in large if key not in data or key == "state"]
        if wrong:
            raise ValueError(f"large must name parts of data other than its state, got {wrong}; data has {sorted(data)}")
        self.name, self.data, self.sentence, self.alt, self._still = name, data, sentence, alt, still
        self.large = tuple(large)

    def __repr__(self) -> str:
        return f"Live figure {self.name}: {self.sentence}"

    def html(self) -> str:
        """The whole figure as one block of HTML, which asks for no other file."""
        large = {key: self.data[key] for key in self.large}
        data = {key: value for key, value in self.data.items() if key not in large}
        block = f'<script type="application/json" data-live-large="{self.name}">{_json(large)}</script>'
        parts = [
            f'<div class="vae-live" data-figure="{self.name}">',
            f"<noscript>{self._still_image()}</noscript>",
            f'<script type="application/json" class="vl-data">{_json(data)}</script>',
            *([block] if large else []),
            f'<script type="text/plain" class="vl-style">{script(_STYLE)}</script>',
            "</div>",
            f"<script>{script(_BASE)}</script>",
            *([f"<script>{script(_LARGE)}</script>"] if large else []),
            f"<script>{script(f'{self.name}.js')}</script>",
            f'<script>vaeNotesLive.mount("{self.name}");</script>',
        ]
        return "\n".join(parts)

    def svg(self) -> str:
        """The still picture as SVG with its description, for readers without JavaScript."""
        text = self._drawn("svg", metadata={"Date": None}).decode("utf8")
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->|\n\s*", " ", text, flags=re.DOTALL)
        text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
        text = re.sub(r"(\d+\.\d)\d+", r"\1", text)  # a tenth of a point is finer than any screen
        text = re.sub(r' id="[\w.]+_\d+"|(?<=\d) +(?=[Lz"])| transform="rotate\(-0 [^"]*"', "", text)
        text = re.sub(r"'DejaVu Sans',[^;\"]*", "sans-serif", text)
        text = re.sub(r'style="[^"]*"', lambda style: re.sub(r"(?<=[:;]) ", "", style[0]), text)
        text = re.sub(r'(?<= d=")[^"]*', lambda path: re.sub(r"(?<=[A-Za-z]) ", "", path[0]), text)
        text = re.sub(r'd="M([\d.]+ [\d.]+)(L[^"]*)L\1"', r'd="M\1\2z"', text)  # back to where it began
        text = re.sub(r"#(\w)\1(\w)\2(\w)\3\b", r"#\1\2\3", re.sub(r">\s+<", "><", text))
        text = re.sub(r"<g>(<text[^>]*>[^<]*</text>|<path[^>]*/>)</g>", r"\1", text)
        return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(self.alt)}"', 1).strip()

    def _still_image(self) -> str:
        """The still picture as one element. In a notebook that is not trusted JupyterLab keeps it, but no SVG."""
        address = "data:image/svg+xml," + quote(self.svg(), safe=" '(),:;=/")
        return f'<img alt="{html.escape(self.alt)}" width="100%" src="{address}">'

    def png(self) -> bytes:
        """The still picture as a small PNG, for places that show no HTML: GitHub, and a notebook that has not run."""
        from PIL import Image

        small = io.BytesIO()
        picture = Image.open(io.BytesIO(self._drawn("png", dpi=100))).convert("RGB")
        picture.quantize(48, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
        return small.getvalue()

    def _drawn(self, kind: str, **options) -> bytes:
        import matplotlib

        from vae_notes import plots

        target = io.BytesIO()
        own = {"svg.fonttype": "none", "svg.hashsalt": self.name, "path.simplify_threshold": 0.3}
        with matplotlib.rc_context(own):
            plots.use_book_style()
            self._still().savefig(target, format=kind, **options)
        return target.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        still = base64.b64encode(self.png()).decode()
        bundle = {"text/plain": repr(self), "text/html": self.html(), "image/png": still}
        return bundle, {"image/png": {"alt": self.alt}}
