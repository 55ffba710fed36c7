"""Large data of live figures, as a model's weights: out of the page, into files that the figures ask for when they are near.

In a notebook the data lie in the figure's own block of HTML, which needs nothing else. On the site they would make every
visit to the page heavier. The file is a script that hands its data over (`vae_notes/live/js/large.js`), and no JSON,
which a page that was opened from a disk could not fetch.
"""

import hashlib
import re

FOLDER = "_live"
BLOCK = re.compile(r'<script type="application/json" data-live-large="(\w+)">(.*?)</script>', re.DOTALL)


def move(page, root):
    """The page with the address of a file in place of each block of large data, and these files: their text by name.

    ``root`` leads from the page to the site's root. The name of a file has a hash of its data: it may be cached for ever.
    """
    files = {}

    def one(match):
        figure, data = match[1], match[2]
        name = f"{figure}-{hashlib.sha256(data.encode()).hexdigest()[:8]}"
        files[f"{FOLDER}/{name}.js"] = f'vaeNotesLive.deliver("{name}", {data});\n'
        return f'<script type="application/json" data-live-large="{figure}" data-file="{root}{FOLDER}/{name}.js"></script>'

    return BLOCK.sub(one, page), files


def write(site, files):
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf8")


def drop_unasked(site):
    """Remove what an earlier build wrote for figures whose data have changed since."""
    pages = [path.read_text(encoding="utf8") for path in site.rglob("*.html")]
    for file in (site / FOLDER).glob("*.js"):
        if not any(f"{FOLDER}/{file.name}" in page for page in pages):
            file.unlink()
