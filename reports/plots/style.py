"""How the plots look: colours that colour-blind readers can tell apart, a marker per mask, sober axes.

A mask looks as its reduction's descriptor says, ours after the palette of Okabe and Ito (2008).

The colours of an inline SVG are replaced by CSS variables of the page (`themed`), so that one drawing serves a light
and a dark screen; a file on disk keeps the light ones.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

import matplotlib

from ...pose.reductions import Look, reduction_names
from ..analysis.series import mask_name, reduction_of

INK, MUTED, GRID, PAPER = "#1e2329", "#5b6470", "#e1e5ea", "#fefefe"
#: markers and lines of what the named looks do not suffice for
_MORE_MARKERS = (">", "d", "h", "8")
_DASHED, _DOTTED = (0, (5, 1.6)), (0, (1.4, 1.4))
#: where an SVG says where something is, and the digits there that nobody sees; a scale keeps all of its own
_PLACES = re.compile(r'\b(d|x|y|points)="[^"]*"|translate\([^)]*\)')
_DIGITS = re.compile(r"(\.\d\d)\d+")
_HEX = re.compile("(#[0-9a-fA-F]{6}){2}")
BASELINE = Look(INK, "#e8eaed", "*")
_PAGE_NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"}

_SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": MUTED,
    "axes.titlepad": 8,
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": PAPER,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "text.color": INK,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.7,
    "lines.markersize": 6.5,
    # A model may be called $x$.
    "text.parse_math": False,
    # The same rows give the same bytes: ids from a fixed salt, glyphs as outlines, no fonts of the reader's machine.
    "svg.hashsalt": "posebench",
    "svg.fonttype": "path",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw and save in our style, whatever the user's matplotlibrc says; restored afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


@lru_cache
def known_looks() -> dict[str, Look]:
    """The looks of reductions by name, those that look at content first; one with colours that are no #rrggbb has none.
    """
    known = [reduction for name in reduction_names() if (reduction := reduction_of(name)) and reduction.look]
    known = [reduction for reduction in known if _HEX.fullmatch(reduction.look.color + reduction.look.dark)]
    return {reduction.name: reduction.look for reduction in sorted(known, key=lambda reduction: reduction.control)}


def looks_for(names: Iterable[str]) -> dict[str, Look]:
    """A look for each series name, no two alike. Known masks keep theirs in every plot.

    The first variant of a mask ("name", "name(layers=3|6)", "name, gather") looks like the mask, a further one has its
    colour with another marker and a dashed line. Other names take the looks that are left, in order, then dashed ones.
    """
    names = list(dict.fromkeys(names))
    known = known_looks()
    chosen = {name: known[name] for name in names if name in known}
    variants = itertools.cycle(
        {"marker": marker, "line": line} for line in (_DASHED, _DOTTED) for marker in _MORE_MARKERS
    )
    for name in names:
        look = known.get(mask_name(name))
        if name not in chosen and look:
            chosen[name] = replace(look, **next(variants)) if look in chosen.values() else look
    left = [look for look in known.values() if look not in chosen.values()]
    more = (replace(look, marker=m, line=_DASHED) for m in _MORE_MARKERS for look in known.values())
    spare = itertools.cycle(itertools.chain(left, (look for look in more if look not in chosen.values())))
    return {name: chosen.get(name) or next(spare) for name in names}


def themed(svg: str, prefix: str) -> str:
    """A saved SVG for use inside a page: no prologue, no metadata, ids led by `prefix`, colours as CSS variables, and
    smaller: places to a hundredth of a point, short names of glyphs."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = (
        re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", svg.split(">", 1)[0]) + ">" + svg.split(">", 1)[1]
    )
    svg = _PLACES.sub(lambda places: _DIGITS.sub(r"\1", places[0]), svg)
    svg = re.sub(r"DejaVuSans-(Bold-)?(?=[0-9a-f]+\")", lambda glyph: "b" if glyph[1] else "g", svg)
    svg = re.sub(r'(<use [^>]*)transform="translate\(([-\d.]+) 0\)"', r'\1x="\2"', svg)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', svg).replace("url(#", f"url(#{prefix}-")
    for color, name in page_colors().items():
        svg = svg.replace(color, f"var(--plot-{name})")
    return svg.strip()


def page_colors() -> dict[str, str]:
    """Colour in a file -> name of the page's CSS variable (without --plot-)."""
    return {**{look.color.lower(): look.color[1:].lower() for look in known_looks().values()}, **_PAGE_NAMES}


def dark_colors() -> dict[str, str]:
    """Name of the CSS variable -> colour on a dark page, for the series; the page's style sheet sets the rest."""
    return {look.color[1:].lower(): look.dark for look in known_looks().values()}
