"""One style sheet for the whole site: the theme's nine in their order, without the rules that no page can use.

Nearly all of Bootstrap's rules are for things that this book does not have, and a page is not drawn before its
style sheets are there. PurgeCSS does the same; it would be the only thing for which a reader of the source needs npm.
"""

import re

LINK = re.compile(r'[ \t]*<link\b(?=[^>]*rel="stylesheet")[^>]*href="[./]*(_static/[^"?]+)[^"]*"[^>]*>\n?')
NAME = "_static/site.css"
WORD = re.compile(r"[A-Za-z_][\w-]*")
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
# Of Bootstrap's script the pages use two parts; the names of all others would keep a third of its rules.
PARTS = {"dropdown", "tooltip"}
THEIR_WORDS = {"show", "fade", "collapse", "dropup", "tooltip", "tooltip-inner", "tooltip-arrow"}
MADE_AT_RUNTIME = ("bs-tooltip-",)  # names that it puts together
PART = re.compile(r'data-bs-toggle="([^"]*)"')
VARIABLE = re.compile(r"""(?<![\w-])(--[\w-]+)\s*:(?:"[^"]*"|'[^']*'|\([^()]*(?:\([^()]*\)[^()]*)*\)|[^;{}"'()])*(?:;|(?=\}))""")
ASKED = re.compile(r"(--[\w-]+)(?!\s*:)(?![\w-])")


def linked(page):
    """The style sheets that a page loads, in order."""
    return LINK.findall(page)


def with_one_link(page, root):
    """The page with one link in place of those to the theme's style sheets."""
    page = LINK.sub("", page)
    return page.replace("</title>", f'</title>\n    <link rel="stylesheet" href="{root}{NAME}" />', 1)


def blocks(css):
    """(what stands before the braces, what stands between them) for every block; a statement has None between."""
    place = 0
    while place < len(css):
        match = re.compile(r"\s*([^{};]*)([{;]|$)").match(css, place)
        head, place = match[1].strip(), match.end()
        if match[2] != "{":
            if head:
                yield head, None
            if not match[2]:
                return
            continue
        start, depth = place, 1
        while depth:
            brace = re.compile(r"""["'{}]""").search(css, place)
            place = brace.end()
            if brace[0] in "\"'":  # a brace in a string is none
                place = re.compile(rf"(?:\\.|[^\\{brace[0]}])*{brace[0]}").match(css, place).end()
            else:
                depth += 1 if brace[0] == "{" else -1
        yield head, css[start : place - 1]


def may_match(selector, words):
    classes = CLASS.findall(re.sub(r":not\([^)]*\)", "", selector))
    return all(name in words or name.startswith(MADE_AT_RUNTIME) for name in classes)


def selectors(head):
    """The selectors of a rule: parted at commas outside of brackets."""
    return re.split(r",(?![^(\[]*[)\]])", head)


def purged(css, words):
    """The rules that can match something made of these words."""
    kept = []
    for head, body in blocks(css):
        if body is None:
            kept.append(head + ";")
        elif head.startswith(("@media", "@supports")):
            inner = purged(body, words)
            kept.append(f"{head}{{{inner}}}" if inner else "")
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        else:
            used = [one for one in selectors(head) if may_match(one, words)]
            kept.append(f"{','.join(used)}{{{body.strip()}}}" if used else "")
    return "".join(kept)


def read(site, name):
    """A style sheet with those that it imports, without comments."""
    css = re.sub(r"/\*.*?\*/", "", (site / name).read_text(encoding="utf8"), flags=re.DOTALL)

    def one(match):
        return read(site, (site / name).parent.joinpath(match[1]).resolve().relative_to(site.resolve()).as_posix())

    return re.sub(r'@import "([^"]+)";', one, css).replace('@charset "UTF-8";', "")


def without_unasked(css, scripts=""):
    """The rules without the variables that neither they nor a script ask for."""
    asked = {*ASKED.findall(css), *ASKED.findall(scripts)}
    kept = VARIABLE.sub(lambda match: match[0] if match[1] in asked else "", css)
    return kept if kept == css else without_unasked(kept, scripts)  # a dropped one may have been the only one to ask


def words_of(pages, scripts):
    """The words of which the site can make class names."""
    parts = {part for page in pages for part in PART.findall(page)}
    if parts - PARTS:
        raise ValueError(f"pages use {sorted(parts - PARTS)} of Bootstrap: add its class names to THEIR_WORDS")
    return THEIR_WORDS | {word for text in [*pages, *scripts] for word in WORD.findall(text)}


def write(site, names):
    """Write the one style sheet from those that the pages asked for."""
    pages = [file.read_text(encoding="utf8") for file in site.rglob("*.html")]
    files = [file for file in (site / "_static").rglob("*.js") if file.name != "bootstrap.js"]
    scripts = [file.read_text(encoding="utf8") for file in files]
    words = words_of(pages, scripts)
    css = "\n".join(purged(read(site, name), words) for name in names)
    (site / NAME).write_text(without_unasked(css, "".join(scripts)), encoding="utf8")
