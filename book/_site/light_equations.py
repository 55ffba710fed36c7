"""MathJax's HTML with half of its elements and two thirds of its bytes, drawn exactly the same.

A chapter has ten thousand pieces of equations, and a phone has to read, style and place every one.
"""

import re

# What MathJax notes for itself, and what `common_style` says for all equations at once. In the MathML for screen
# readers only notes that say what is so anyway.
NOTES = re.compile(
    r' class="MJX-TEX"| jax="CHTML"| texclass="\w+"| style="position: relative;"| unselectable="on"'
    r'| xmlns="http://www\.w3\.org/1998/Math/MathML"|(?<=<mjx-assistive-mml) display="inline"'
    r'| data-mjx-(?:texclass="(?:ORD|NONE)"|auto-op="false"|alternate="1")'
)
CLASSES = re.compile(r' class="([^"]*)"')
# A box around a single character, when neither has a style of its own.
ATTRIBUTES = r'((?: (?:class|space|rspace|size)="[^"]*")*)'
BOXED = re.compile(rf"<(mjx-(?:mi|mo|mn|mtext|TeXAtom)){ATTRIBUTES}><mjx-c{ATTRIBUTES}></mjx-c></\1>")
NAME = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
# A rule for one character: `mjx-c.mjx-c1D465.TEX-I::before {...}`, `mjx-stretchy-v.mjx-c28 mjx-ext mjx-c {...}`.
CHARACTER = re.compile(r"mjx-(?:c|stretchy-[hv])\.(mjx-c[0-9A-F]+(?:\.TEX-\w+)?)")
USED = re.compile(r'<mjx-(?:c|stretchy-[hv]) class="([^"]+)"')
ELEMENT = re.compile(r"(?<![\w.-])mjx-[A-Za-z-]+")


def slim(equation, style):
    """An equation without notes, without classes that the style sheet does not know, without needless boxes."""
    known = set(NAME.findall(style))

    def with_known(match):
        names = " ".join(name for name in match[1].split() if name in known)
        return f' class="{names}"' if names else ""

    return without_boxes(NOTES.sub("", CLASSES.sub(with_known, equation)))


def without_boxes(equation):
    """Every character without the box around it that holds nothing else, from the innermost out."""
    while True:
        done = BOXED.sub(without_box, equation)
        if done == equation:
            return done
        equation = done


def without_box(match):
    """The character with what its box says; the box stays where one element could not say both."""
    outer, inner = (dict(re.findall(r' (\w+)="([^"]*)"', part)) for part in (match[2], match[3]))
    scaled = "size" in inner and {"space", "rspace"} & set(outer)  # the space would be scaled, too
    if scaled or (set(outer) & set(inner)):
        return match[0]
    both = {"class": "", **outer, **inner}
    return "<mjx-c" + "".join(f' {name}="{value}"' for name, value in both.items() if value) + "></mjx-c>"


def common_style(style):
    """MathJax's style sheet for equations without the attributes that all of them had."""
    return style.replace('[jax="CHTML"]', "").replace(".MJX-TEX", "mjx-math")


def style_of(page, style):
    """The rules of the style sheet that a page's equations need, on one line."""
    characters = {names.replace(" ", ".") for names in USED.findall(page)}
    elements = {f"mjx-{name}" for name in re.findall(r"<mjx-([A-Za-z-]+)", page)}
    fonts = {name for names in characters for name in names.split(".")[1:]}
    needed = []
    for rule in common_style(style).split("\n\n"):
        selector, _, rest = rule.strip().partition("{")
        character = CHARACTER.match(selector)
        parts = [part for part in selector.split(",") if set(ELEMENT.findall(part)) <= elements]
        font = re.fullmatch(r"\.(TEX-\w+) ", selector)
        if (character and character[1] not in characters) or (font and font[1] not in fonts) or not parts:
            continue
        needed.append(re.sub(r"/\*.*?\*/|\n\s*", "", f"{','.join(parts)}{{{rest}"))
    return "".join(needed)
