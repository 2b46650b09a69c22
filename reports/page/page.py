"""The report's page: one HTML file that needs nothing else and no network; its script only adds to it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ..analysis.decision_words import answer
from ..analysis.headline import headline
from ..analysis.iso_flops import control_sentence
from ..analysis.subject import Subject
from ..analysis.takeaway import takeaway
from ..plots.style import dark_colors, known_looks, page_colors
from .page_text import byline, warnings
from .section import Facts, Material, texts_of, weight
from .sections import SECTIONS
from .words import words_on

_HERE = Path(__file__).parent
#: bytes of a page that can still be sent; its style and sentences take little
LARGEST = 4_900_000


def render_page(material: Material, *, title: str, notes: Sequence[str] = (), problems: Sequence[str] = ()) -> str:
    """The page as text; `problems` stand among its warnings.

    Every value is escaped; the only markup passed through is that of our own plots.
    """
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=False)
    script = (_HERE / "script.js").read_text(encoding="utf-8")
    subjects = material.findings.subjects
    plain = {section.title: section.build(material) for section in SECTIONS if not section.fills}
    room = LARGEST - sum(map(weight, plain.values()))
    fuller = replace(material, room=max(LARGEST // 10, min(material.room, room)))
    sections = [(one.title, one.build(fuller) if one.fills else plain[one.title]) for one in SECTIONS]
    headlines = [(subject.label, [*_told(material, subject), *_controls(subject, material)]) for subject in subjects]
    told = [text for _, statements in headlines for text in statements]
    words = words_on([*told, *(text for _, blocks in sections for text in texts_of(blocks))])
    sections.append(("What the words mean", [Facts(words)] if words else []))
    return environment.get_template("template.html").render(
        title=title,
        byline=byline(material.records),
        css=Markup(_css()),
        script=Markup(script),
        script_hash=Markup(_hash(script)),
        headlines=headlines,
        warnings=[*problems, *warnings(material.records, subjects)],
        notes=list(notes),
        sections=[(title, blocks) for title, blocks in sections if blocks],
        footer="Numbers: results.csv. Plots: the folder plots, as PNG and SVG.",
    )


def _told(material: Material, subject: Subject) -> list[str]:
    """The sentence to take away, then the decisions and what the numbers say."""
    told = takeaway(subject)
    # A decision by counts is what the first sentence says, and that nothing was chosen stands in its section.
    own = [one for one in material.decisions if one.subject is subject]
    answers = [answer(one) for one in own if one.by.timed and one.chosen]
    return [*([told] if told else []), *answers, *headline(subject)]


def _hash(script: str) -> str:
    """By which the page's security policy allows this very script and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _controls(subject: Subject, material: Material) -> list[str]:
    """Whether looking at content paid, where the masks are compared at the least compute."""
    same = [other for other in material.findings.subjects if other.keys["model"] == subject.keys["model"]]
    points = material.findings.iso_flops_by_model.get(subject.keys["model"], []) if len(same) == 1 else []
    return [sentence for point in points[-1:] if (sentence := control_sentence(point))]


def _css() -> str:
    """The style sheet with the series' colours, one set for light and one for dark screens."""
    names = page_colors()
    light = "".join(f" --plot-{names[look.color.lower()]}: {look.color};" for look in known_looks().values())
    dark = "".join(f" --plot-{name}: {color};" for name, color in dark_colors().items())
    colors = f":root {{{light} }}\n@media (prefers-color-scheme: dark) {{ :root {{{dark} }} }}\n"
    return colors + (_HERE / "style.css").read_text(encoding="utf-8")
