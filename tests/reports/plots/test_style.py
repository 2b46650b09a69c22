"""The looks of masks: as their descriptors say, no two alike, and a user's own mask has one, too."""

import sys

import pytest
from matplotlib.markers import MarkerStyle

from posebench.pose import plugins
from posebench.pose.reductions import Look, find_reduction
from posebench.reports.analysis.findings import find
from posebench.reports.page.page import render_page
from posebench.reports.page.section import Material
from posebench.reports.plots.drawing import draw_all
from posebench.reports.plots.style import BASELINE, known_looks, looks_for


def test_masks_differ_in_marker_and_colour():
    looks = known_looks().values()
    assert len({look.marker for look in looks}) == len({look.color for look in looks}) == len(looks) > 8
    assert BASELINE.marker not in {look.marker for look in looks}, "the star is the unmasked model's"
    assert all(MarkerStyle(look.marker).is_filled() for look in looks), "so that an unstable one can be hollow"


def test_every_mask_keeps_its_look_and_no_two_series_share_one():
    names = ["random", "semantic", "scorer", "uniform", "norm", "block", "prune", "tome", "sparse"]
    looks = looks_for(names)
    assert len({(look.color, look.marker) for look in looks.values()}) == len(names)
    assert all(looks_for([name, "other"])[name] == looks[name] == known_looks()[name] for name in names)
    many = looks_for([*names, *(f"own_{n}" for n in range(5)), "sparse, gather", "random, prefix"])
    assert len({(look.color, look.marker, look.line) for look in many.values()}) == len(many)


@pytest.mark.parametrize("names", [("sparse, dense", "sparse, gather"), ("sparse", "sparse(execution=gather)")])
def test_variants_of_one_mask_share_a_colour_and_differ_in_marker_and_line(names):
    first, second = looks_for(names).values()
    assert first == known_looks()["sparse"] and second.color == first.color
    assert second.marker != first.marker and second.line != first.line


def test_a_look_is_the_descriptors_own():
    assert known_looks()["tome"] is find_reduction("tome").look


OWN = """
from posebench.pose.reductions import Look, Reduction
own = Reduction("mine", "own_mask_module:work", "mine", look=Look("#123456", "#abcdef", "H"))
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module with a mask on the path; what is cached of plug-ins is forgotten before and after."""
    caches = (plugins.announced, find_reduction, known_looks)
    (tmp_path / "own_mask_module.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    for cached in caches:
        cached.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    sys.modules.pop("own_mask_module", None)
    for cached in caches:
        cached.cache_clear()


def page_with(name, sweep_rows):
    """The page of a sweep of random and of a better mask called `name`, which the headline tells, too."""
    rows = [row | {"mask": name} if row["mask"] == "semantic" else row for row in sweep_rows(("semantic", "random"))]
    findings = find(rows)
    return render_page(Material(findings, draw_all(findings)), title="t")


def test_results_do_not_decide_what_code_is_run_and_their_mask_has_a_name_and_a_colour(own_module, sweep_rows):
    name = "own_mask_module:own"
    page = page_with(name, sweep_rows)
    assert "own_mask_module" not in sys.modules
    assert page.count(f"{name} 0.4") > 1, "in the tables by its name"
    assert "wn_mask_module:own masking of tmpose_tiny at ratio 0.6" in page
    look = looks_for([name, "random"])[name]
    assert look != known_looks()["random"] and f"stroke: var(--plot-{look.color[1:]})" in page


def test_a_mask_that_an_installed_package_announces_is_drawn_as_it_says(own_module, sweep_rows):
    installed = own_module / "own_mask-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: own-mask\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[posebench.reductions]\nmine = own_mask_module:own\n")
    page = page_with("mine", sweep_rows)
    assert looks_for(["mine"])["mine"] == Look("#123456", "#abcdef", "H")
    assert "--plot-123456: #abcdef;" in page and "stroke: var(--plot-123456)" in page
