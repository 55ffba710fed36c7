"""The last hand on a page: from the HTML that the theme writes to the HTML that a reader gets.

A page then loads little, asks for nothing from elsewhere, shows its equations and figures without a jump, and says
in its content security policy that nothing but its own files may be loaded or run.
"""

import base64
import hashlib
import html
import re
from urllib.parse import urlparse

# Loaded on every page by the theme or by Jupyter Book, and used by none of this book.
UNUSED = re.compile(
    r"[ \t]*<(?:script|link)\b[^>]*(?:fontawesome|sphinx-design|design-tabs|togglebutton|mathjax)[^>]*>(?:</script>)?\n?"
    r"|[ \t]*<link rel=\"preload\" as=\"script\"[^>]*>\n?"
    r"|[ \t]*<script>(?:let toggle\w+|var togglebuttonSelector|DOCUMENTATION_OPTIONS\.pagename)[^<]*</script>\n?"
)
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1" />'
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
INLINE_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
STYLED_TAG = re.compile(r'<[a-z][\w-]*\b[^<>]*? style="[^"]*"[^<>]*>')
# Words of code that look like any other: names, punctuation, blanks; and operators, a tenth of a chapter's bytes.
PLAIN_WORD = re.compile(r'<span class="[npwo]">([^<]*)</span>')
FIGURE = re.compile(r'<img\b[^>]*? src="(?:\.\./)*_images/([^"]+)"[^>]*>')


def without_unused(page):
    page = re.sub(r'[ \t]*<meta name="viewport"[^>]*>\n?', "", page)
    return UNUSED.sub("", page).replace('<meta charset="utf-8" />', '<meta charset="utf-8" />\n    ' + VIEWPORT, 1)


def with_deferred_scripts(page):
    """Scripts from files wait until the page is read; those in the page only set the mode or write a button."""
    return re.sub(r"<script(?![^>]*\bdefer)(?=[^>]*\bsrc=)", "<script defer", page)


def with_named_actions(page):
    """No script in an attribute, which the policy forbids: vae-notes.js listens to these names."""
    page = page.replace('onclick="toggleFullScreen()"', 'data-action="fullscreen" aria-label="Fullscreen mode"')
    return page.replace('onclick="window.print()"', 'data-action="print"')


def with_plain_code(page):
    return PLAIN_WORD.sub(r"\1", page)


def with_figures(page, figures):
    """Every figure in its small format, with its size (so that nothing jumps), fetched when it is near.

    ``figures`` gives the name of the small file, the width and the height for the name of a figure, or None.
    """

    def one(match):
        found = figures(match[1])
        if not found:
            return match[0]
        name, width, height = found
        tag = match[0].replace(f"_images/{match[1]}", f"_images/{name}")
        return re.sub(r"\s*/?>$", f' width="{width}" height="{height}" loading="lazy" decoding="async" />', tag)

    return FIGURE.sub(one, page)


def without_inline_styles(page):
    """The page with a class for every distinct style attribute, and the rules of these classes."""
    rules = {}

    def one(match):
        tag = match[0]
        style = html.unescape(re.search(r' style="([^"]*)"', tag)[1]).strip().rstrip(";")
        tag = re.sub(r' style="[^"]*"', "", tag)
        if not style:
            return tag
        name = "s" + hashlib.sha256(style.encode()).hexdigest()[:7]
        rules[name] = ";".join(f"{part.strip()}!important" for part in style.split(";"))
        if re.search(r'\bclass="', tag):
            return re.sub(r'\bclass="', f'class="{name} ', tag, count=1)
        return re.sub(r"^<[a-z][\w-]*", rf'\g<0> class="{name}"', tag)

    parts = re.split(r"(<script.*?</script>)", page, flags=re.DOTALL)
    parts[::2] = [STYLED_TAG.sub(one, part) for part in parts[::2]]
    return "".join(parts), "".join(f".{name}{{{rule}}}" for name, rule in rules.items())


def hashes(blocks):
    """What names a script or style of the page in its policy: the hash of its text."""
    digests = (base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks)
    return "".join(f" 'sha256-{digest}'" for digest in dict.fromkeys(digests))


def policy(page):
    """A content security policy that allows the site's own files and the scripts and styles written in the page."""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'" + hashes(INLINE_SCRIPT.findall(page)),
            "style-src 'self'" + hashes(INLINE_STYLE.findall(page)),
            "img-src 'self' data:",  # the still pictures of live figures
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        )
    )


def with_policy(page):
    """The policy stands first in the head: what stands before it would not be held to it."""
    tag = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}" />'
    return re.sub(r'(<meta charset="utf-8" ?/?>)', rf"\1\n    {tag}", page, count=1)


def card(title, description, address, image, site):
    """What search engines and messengers show of a page."""
    rows = {
        "og:type": "article",
        "og:site_name": site,
        "og:title": title,
        "og:description": description,
        "og:url": address,
        "og:image": image,
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": f"{title}, a page of {site}",
    }
    tags = [f'<meta property="{key}" content="{html.escape(value)}" />' for key, value in rows.items()]
    tags.append('<meta name="twitter:card" content="summary_large_image" />')
    tags.append(f'<meta name="description" content="{html.escape(description)}" />')
    tags.append(f'<link rel="canonical" href="{html.escape(address)}" />')
    return "\n    ".join(tags)


def in_head(page, tags):
    return page.replace("</title>", f"</title>\n    {tags}", 1)


def path_of(address):
    """The path under which a site lies on its server: ``/vae-notes/``."""
    return urlparse(address).path


def finish(page, mathematics, figures, head):
    """The finished page but for its policy, and the style sheet that it needs for its equations and its own styles."""
    page = with_plain_code(with_named_actions(with_deferred_scripts(without_unused(page))))
    page = with_figures(page, figures)
    page, rules = without_inline_styles(mathematics.typeset(page))
    return in_head(page, head), mathematics.style(page) + rules
