"""The files of the site beside its pages: small figures, cards, icons, sitemap, robots, the page for a wrong address."""

import hashlib
import html
import io
import json
import logging
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from finished_page import path_of, with_policy
from fontTools import subset
from PIL import Image, ImageDraw, ImageFont

ICON = re.compile(r"\bfa-([a-z0-9-]+)")
RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:+before,?)+)\{content:"\\([0-9a-f]+)"\}')
OF_THE_STYLE = re.compile(r'--pst-icon-[\w-]+: ?"(.)"')  # icons that the theme's style sheets show
FAMILIES = {  # file, family (as the theme calls it), weight, selector
    "solid": ("fa-solid-900", "Font Awesome 6 Free", 900, ".fas,.fa-solid"),
    "brands": ("fa-brands-400", "Font Awesome 6 Brands", 400, ".fab,.fa-brands"),
}
QUALITY = 80  # of figures that are stored with a loss
CARD = (1200, 630)
COLOURS = {"left": "#0072B2", "right": "#D55E00", "text": "#16202a"}


def small_name(name):
    """Under which name a figure is published: half as large, as WebP."""
    return name[: -len(".png")] + ".webp" if name.endswith(".png") else name


def shrink_figures(folder, cache):
    """Write every PNG of the site as WebP; the names are hashes of the content, so the cache never lies."""
    cache = cache / f"quality-{QUALITY}"
    cache.mkdir(parents=True, exist_ok=True)
    for figure in folder.glob("*.png"):
        kept = cache / small_name(figure.name)
        if not kept.exists():
            kept.write_bytes(as_webp(Image.open(figure)))
        shutil.copy(kept, folder / kept.name)
        figure.unlink()


def as_webp(picture):
    """Without loss as a rule; a picture of many greys or colours with a loss that nobody sees, if that saves a quarter."""
    exact, near = io.BytesIO(), io.BytesIO()
    picture.save(exact, "WEBP", lossless=True, method=4)
    picture.convert("RGB").save(near, "WEBP", quality=QUALITY, method=4)
    smaller = len(near.getvalue()) < 0.75 * len(exact.getvalue())
    return (near if smaller else exact).getvalue()


def typeface(size, bold=False):
    """DejaVu Sans, which Matplotlib brings."""
    folder = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"), size)


def wrapped(text, font, width):
    """The text in lines that are not wider."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def draw_card(title, site, figure, target):
    """The picture that messengers show beside a link: the title, and the page's first figure if it has one."""
    card = Image.new("RGB", CARD, "white")
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, CARD[0] // 2, 14), fill=COLOURS["left"])
    draw.rectangle((CARD[0] // 2, 0, CARD[0], 14), fill=COLOURS["right"])
    width, font = (480 if figure else 1060), typeface(52 if figure else 72, bold=True)
    draw.multiline_text((70, 90), "\n".join(wrapped(title, font, width)), font=font, fill=COLOURS["text"], spacing=14)
    draw.text((70, 530), site, font=typeface(36), fill=COLOURS["left"])
    if figure:
        picture = Image.open(figure).convert("RGBA")
        picture.thumbnail((560, 500), Image.Resampling.LANCZOS)
        place = (1160 - picture.width, 60 + (520 - picture.height) // 2)
        card.paste(picture, place, picture)
    target.parent.mkdir(parents=True, exist_ok=True)
    card.quantize(64).save(target, optimize=True)


def card_name(docname, title, figure):
    """A name that changes with what the card shows."""
    shown = hashlib.sha256(f"{title}{figure}{CARD}".encode()).hexdigest()[:8]
    return f"_cards/{docname.rpartition('/')[2]}-{shown}.png"


def thumbnail(figure, target, width=320):
    picture = Image.open(figure)
    picture.thumbnail((width, width), Image.Resampling.LANCZOS)
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.save(target, "WEBP", quality=80, method=4)


def write_icons(site):
    """Of the theme's icons (half a megabyte of fonts, 1.5 of script) only those that a page of the site shows."""
    vendor = next((site / "_static" / "vendor" / "fontawesome").glob("*"), None)
    used = {name for page in site.rglob("*.html") for name in ICON.findall(page.read_text(encoding="utf8"))}
    css = ".fas,.fab,.fa-solid,.fa-brands{display:inline-block;font-style:normal;line-height:1;text-rendering:auto}\n"
    rules = RULE.findall((vendor / "css" / "all.min.css").read_text(encoding="utf8"))
    points = {name: int(point, 16) for names, point in rules for name in ICON.findall(names) if name in used}
    css += "".join(f'.fa-{name}::before{{content:"\\{point:x}"}}\n' for name, point in sorted(points.items()))
    styles = "".join(path.read_text(encoding="utf8") for path in (site / "_static" / "styles").glob("*.css"))
    drawn = {*points.values(), *map(ord, OF_THE_STYLE.findall(styles))}
    for kind, (file, family, weight, selector) in FAMILIES.items():
        write_subset(vendor / "webfonts" / f"{file}.ttf", site / "_static" / f"icons-{kind}.woff", drawn)
        css += f'{selector}{{font:{weight} 1em/1 "{family}"}}\n:root{{--fa-font-{kind}:{weight} 1em/1 "{family}"}}\n'
        css += f'@font-face{{font-family:"{family}";font-weight:{weight};src:url(icons-{kind}.woff)}}\n'
    css += ".fa-lg{font-size:1.25em;line-height:.05em;vertical-align:-.075em}\n"
    (site / "_static" / "icons.css").write_text(css, encoding="utf8")
    shutil.rmtree(vendor.parent)


def write_subset(source, target, points):
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every table
    options = subset.Options(flavor="woff", drop_tables=["FFTM"])
    font = subset.load_font(str(source), options)
    chooser = subset.Subsetter(options)
    chooser.populate(unicodes=points)
    chooser.subset(font)
    subset.save_font(font, str(target), options)


# How Sphinx's search calls a hit in the index: by the page's title alone.
HIT = """            titles[file],
            id ? "#" + id : "",
            null,
            score,"""


def name_hits(site):
    """A symbol that is found is called by its name: Notation > sigma x."""
    script = site / "_static" / "searchtools.js"
    text = script.read_text(encoding="utf8")
    if HIT not in text:
        raise ValueError(f"{script.name} has changed: how does it call what it finds in the index?")
    script.write_text(text.replace(HIT, HIT.replace("titles[file]", "`${titles[file]} > ${entry}`")), encoding="utf8")


# What the theme measures when a page is loaded.
MEASURING = '"pre, .nboutput > .output_area, .cell_output > .output, .jp-RenderedHTMLCommon"'


def do_not_measure(site):
    """The theme measures every box of code at once, which lays out the whole page; vae-notes.js does it in the breaks."""
    script = site / "_static" / "scripts" / "pydata-sphinx-theme.js"
    text = script.read_text(encoding="utf8")
    if MEASURING not in text:
        raise ValueError(f"{script.name} has changed: what measures the boxes of code?")
    script.write_text(text.replace(MEASURING, '".no-such-box"'), encoding="utf8")


def drop_sources(site):
    """Maps and templates of the theme are for its makers."""
    for pattern in ("*.map", "*.html"):
        for file in (site / "_static").rglob(pattern):
            file.unlink()


def write_sitemap(site, address, docnames):
    rows = "".join(f"<url><loc>{html.escape(address + name)}.html</loc></url>\n" for name in docnames)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    (site / "sitemap.xml").write_text(f"{head}{rows}</urlset>\n", encoding="utf8")
    (site / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n", encoding="utf8")


def write_manifest(site, title):
    icons = [{"src": f"icon-{n}.png", "sizes": f"{n}x{n}", "type": "image/png"} for n in (192, 512)]
    icons.append({"src": "favicon.svg", "sizes": "any", "type": "image/svg+xml"})
    content = {"name": title, "short_name": title, "start_url": "../book/index.html", "scope": "../", "icons": icons}
    content |= {"display": "browser", "background_color": "#ffffff", "theme_color": COLOURS["left"]}
    (site / "_static" / "site.webmanifest").write_text(json.dumps(content, indent=1) + "\n", encoding="utf8")


NOT_FOUND = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <title>No such page · {title}</title>
    <style>
      :root {{ color-scheme: light dark; }}
      body {{ max-width: 34rem; margin: 15vh auto; padding: 0 1.5rem; font: 1.1rem/1.6 system-ui, sans-serif; }}
      a {{ color: light-dark(#0b5cad, #7ab4f5); }}
    </style>
  </head>
  <body>
    <main>
      <h1>There is no such page</h1>
      <p>The address is wrong, or the page has moved. The book has
        <a href="{path}book/contents.html">a page of contents</a>, <a href="{path}search.html">a search</a>
        and <a href="{path}book/index.html">a first page</a>.</p>
    </main>
  </body>
</html>
"""


def write_not_found(site, address, title):
    """The page for a wrong address: shown at any depth, so it loads nothing and its links name the site's whole path."""
    page = NOT_FOUND.format(title=html.escape(title), path=path_of(address))
    (site / "404.html").write_text(with_policy(page), encoding="utf8")
