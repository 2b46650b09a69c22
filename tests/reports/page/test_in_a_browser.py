"""The page in a real Chromium: it sorts, filters, tells, copies, asks for nothing, cuts and overlaps nothing."""

import csv
import io
import re

import cv2
import numpy as np
import pytest
from browser import Browser
from invented_rows import ACCURACY, sweep_rows

from posebench.reports.analysis.agreement import Agreement, Kept, Pair
from posebench.reports.analysis.agreement_file import write_agreements
from posebench.reports.analysis.parts import JOINT_COLUMNS
from posebench.reports.report import write_report

pytestmark = pytest.mark.optional

MASKS = ("semantic", "scorer", "norm", "uniform", "random")
RESULTS = "[...document.querySelectorAll('section')].find(s => s.querySelector('h2')?.textContent === 'Results')"
EVERY_ROW = "document.querySelector('table.rows')"
#: tables, and the page, that reach beyond what can be seen of them
CUT = """
(() => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const wide = [...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 1);
  const out = [...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > innerWidth + 1);
  const page = document.documentElement.scrollWidth > innerWidth ? ['the page'] : [];
  return [...wide, ...out].map(e => (e.ariaLabel ?? '') + e.textContent.trim().slice(0, 40)).concat(page);
})()
"""
#: pairs of texts, in the page and in its plots, whose boxes cover each other
OVERLAPS = """
(() => {
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.data.trim() || node.parentElement.closest('script, style, svg, option')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) if (box.width && box.height) boxes.push([node, box, node.data.trim()]);
  }
  for (const text of document.querySelectorAll('svg [id*="text_"]')) {
    const box = text.getBoundingClientRect();
    if (box.width) boxes.push([text, box, text.innerHTML.match(/<!--(.*?)-->/)?.[1] ?? text.id]);
  }
  boxes.sort((a, b) => a[1].top - b[1].top);
  const found = [];
  for (let i = 0; i < boxes.length; i++)
    for (let j = i + 1; j < boxes.length && boxes[j][1].top < boxes[i][1].bottom; j++) {
      const [[one, a, text], [other, b, more]] = [boxes[i], boxes[j]];
      if (one === other || one.contains(other) || other.contains(one)) continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 2 && down > 3) found.push([text.slice(0, 30), more.slice(0, 30), across, down]);
    }
  return [boxes.length, found.slice(0, 8)];
})()
"""


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Five reductions, four ratios, three seeds, two batch sizes, two runtimes, and pictures of a real sweep's size."""
    folder = tmp_path_factory.mktemp("sweep")
    rows = []
    for runtime in ("eager", "compile"):
        rows += sweep_rows(MASKS, (0.2, 0.4, 0.6, 0.8), (0, 1, 2), (1, 32), runtime=runtime)
    for row in rows:
        row |= {"ap_m": row["ap"] - 0.03, "ap_l": row["ap"] + 0.01 * len(row["mask"])}
    draw_pictures(folder, {"masks": [f"{m}_{r}" for m in MASKS for r in (0.2, 0.4, 0.6, 0.8)], "people": MASKS})
    return write_report(folder, rows)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Sixteen reductions, three ratios, two models, two seeds, two batch sizes; by joint; what they keep; pictures."""
    folder = tmp_path_factory.mktemp("crowded")
    masks, models = tuple(ACCURACY), ("tmpose_tiny", "vitpose_tiny")
    rows = [row for model in models for row in sweep_rows(masks, (0.2, 0.4, 0.6), (0, 1), (1, 32), model=model)]
    with open(folder / "by_joint.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(JOINT_COLUMNS)
        for row in rows:
            row["cell"] = f"{row['model']}-{row['cell']}"
        for cell, ap in {row["cell"]: row["ap"] for row in rows}.items():
            parts = enumerate(("nose", "eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
            writer.writerows([cell, part, part, 1500, ap - 0.01 * number] for number, part in parts)
    write_agreements(folder, [kept_alike(model, masks, ratio) for model in models for ratio in (0.2, 0.4, 0.6)])
    names = [f"{model}_{mask}_{{}}" for model in models for mask in masks]
    deep = [name.format(0.6) for name in names]
    draw_pictures(folder, {"masks": [name.format(r) for name in names for r in (0.2, 0.4, 0.6)], "people": deep})
    return write_report(folder, rows)


def kept_alike(model, masks, ratio):
    """What sixteen masks keep: all pairs as alike as by lot."""
    maps = np.random.default_rng(1).random((len(masks), 8, 6))
    kept = [Kept(mask, 48 * (1 - ratio), 20, 30, 1 - ratio, None, own) for mask, own in zip(masks, maps, strict=True)]
    pairs = {(a, b): Pair(a, b, 1 - ratio, 1 - ratio, 0.5, "scores") for a in masks for b in masks}
    return Agreement(model, ratio, 500, 2, kept, pairs, maps[0])


def draw_pictures(folder, named):
    """Pictures of a real sweep's size, with enough noise that they do not get smaller than such."""
    rng = np.random.default_rng(0)
    for kind, names in named.items():
        (folder / "plots" / kind).mkdir(parents=True)
        small = rng.integers(0, 255, (24, 36, 3), np.uint8)
        picture = cv2.resize(small, (980, 690)) + rng.integers(0, 8, (690, 980, 3), np.uint8)
        content = cv2.imencode(".png", picture)[1].tobytes()
        for name in names:
            (folder / "plots" / kind / f"{name}.png").write_bytes(content)


def cells(browser, column, table=EVERY_ROW):
    """The shown texts of a column by its name."""
    return browser.run(f"""(() => {{
      const table = {table};
      const last = table.tHead.rows[table.tHead.rows.length - 1];
      const heads = [...last.cells].map(head => head.querySelector('.label').textContent);
      const rows = [...table.tBodies[0].rows].filter(row => !row.hidden);
      return rows.map(row => row.cells[heads.indexOf('{column}')].textContent.trim());
    }})()""")


def tools(browser, what, table=EVERY_ROW):
    return f"{table}.closest('.grid').querySelector('{what}')"


def nothing_went_wrong(browser, page):
    """No word on the console, no exception, and no request but for the file itself and what it holds."""
    asked = [t for t in browser.trouble if t["method"] == "Network.requestWillBeSent"]
    urls = {t["params"]["request"]["url"].partition(",")[0] for t in asked}
    assert {url for url in urls if not url.startswith("data:image/")} == {page.resolve().as_uri()}
    assert [t for t in browser.trouble if t not in asked] == []


def test_five_reductions_or_sixteen_make_a_page_below_five_megabytes(page, crowded):
    assert page.stat().st_size < 5_000_000
    assert crowded.stat().st_size < 5_000_000


@pytest.mark.parametrize("width", [1400, 390])
def test_sixteen_masks_of_two_models_are_not_cut_and_cover_nothing(browser, crowded, width):
    browser.open(crowded, width)
    assert browser.run(CUT) == []
    texts, overlapping = browser.run(OVERLAPS)
    assert texts > 2000 and overlapping == []
    nothing_went_wrong(browser, crowded)


def test_a_click_on_a_mark_unfolds_its_line_and_links_lead_to_their_sections(browser, crowded):
    browser.open(crowded)
    left, top, name = browser.run("""(() => {
      const first = name => document.querySelector(`tr[data-at="${name}"]`);
      const marks = [...document.querySelectorAll('figure svg [id*="at0-"]')];
      const mark = marks.find(mark => first(mark.id.split('-').pop())?.closest('details:not([open])'));
      mark.scrollIntoView({block: 'center'});
      const box = mark.getBoundingClientRect();
      return [(box.left + box.right) / 2, (box.top + box.bottom) / 2, mark.id.split('-').pop()];
    })()""")
    browser.mouse(left, top)
    assert "GFLOPsT" in browser.run("document.querySelector('#tip:not([hidden])')?.innerText ?? ''")
    browser.mouse(left, top, click=True)
    line = "document.querySelector('tr.found')"
    box = browser.run(f"[{line}.dataset.at, {line}.getBoundingClientRect().top, {line}.offsetHeight > 10]")
    assert box[0] == name and 0 <= box[1] < 1000 and box[2]
    link = "document.querySelector('nav a:last-child')"
    browser.run(f"{link}.click()")
    section = f"document.querySelector({link}.getAttribute('href'))"
    assert browser.run(f"{section}.querySelector('h2').textContent === {link}.textContent")
    assert 0 <= browser.run(f"{section}.getBoundingClientRect().top") < 1000
    nothing_went_wrong(browser, crowded)


def test_a_click_on_a_head_sorts_by_number_both_ways_and_back(browser, page):
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    before = cells(browser, "ap")
    head = f"[...{EVERY_ROW}.querySelectorAll('th')].find(h => h.querySelector('.label').textContent === 'ap')"
    orders = []
    for _ in range(3):
        browser.run(f"{head}.click()")
        orders.append(cells(browser, "ap"))
    assert orders[0] == sorted(before, key=float) != before
    assert orders[1] == sorted(before, key=float, reverse=True) and orders[2] == before
    nothing_went_wrong(browser, page)


def test_the_filter_takes_words_and_comparisons(browser, page):
    browser.open(page)

    def type_in(words):
        field = tools(browser, "input[type=search]")
        browser.run(f"(() => {{ {field}.value = '{words}'; {field}.dispatchEvent(new Event('input')) }})()")

    total = len(cells(browser, "mask"))
    type_in("semantic compile ap>0.6")
    assert set(cells(browser, "mask")) == {"semantic"} and set(cells(browser, "runtime")) == {"compile"}
    shown = list(map(float, cells(browser, "ap")))
    assert shown and min(shown) >= 0.6
    type_in("mask_ratio=0.8 seed<1")
    assert set(cells(browser, "mask_ratio")) == {"0.80"} and set(cells(browser, "seed")) == {"0"}
    type_in("no such row")
    assert cells(browser, "mask") == []
    type_in("")
    assert len(cells(browser, "mask")) == total == 2 * 2 * 3 * 21
    nothing_went_wrong(browser, page)


def test_a_mark_under_the_mouse_tells_its_numbers_and_a_click_finds_its_line(browser, page):
    browser.open(page)
    mark = "document.querySelector('figure svg [id*=\"at0-\"]')"
    browser.run(f"{mark}.scrollIntoView({{block: 'center'}})")
    left, top, name = browser.run(
        f"(() => {{ const b = {mark}.getBoundingClientRect();"
        f" return [(b.left + b.right) / 2, (b.top + b.bottom) / 2, {mark}.id.split('-').pop()] }})()"
    )
    browser.mouse(left + 2, top + 1)
    told = browser.run("document.querySelector('#tip:not([hidden])')?.innerText ?? ''")
    line = browser.run(f"document.querySelector('tr[data-at=\"{name}\"]').innerText")
    assert "GFLOPsT" in told and "AP" in told
    assert all(re.split(r"\s", text)[0] in told for text in line.split("\t") if text.strip())
    browser.mouse(left + 2, top + 1, click=True)
    lines = "[...document.querySelectorAll('tr.found')]"
    found = browser.run(f"{lines}.map(r => [r.dataset.at, r.getBoundingClientRect().top])")
    assert len(found) == 1 and found[0][0] == name and 0 <= found[0][1] < 1000
    browser.mouse(5, 5)
    assert browser.run("document.querySelector('#tip').hidden")
    nothing_went_wrong(browser, page)


def test_what_is_copied_is_what_is_shown_with_every_digit(browser, page):
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    browser.run("""Object.defineProperty(navigator, 'clipboard', {value: {writeText: t => { window.copied = t }}})""")
    copy = "[...{}.closest('.grid').querySelectorAll('button')].find(b => b.textContent === 'copy {}').click()"
    browser.run(copy.format(EVERY_ROW, "CSV"))
    rows = list(csv.DictReader(io.StringIO(browser.run("window.copied"))))
    with open(page.parent / "results.csv", encoding="utf-8") as file:
        stored = list(csv.DictReader(file))
    assert [row["ap"] for row in rows] == [row["ap"] for row in stored]
    assert [row["mask"] for row in rows] == [row["mask"] for row in stored]
    browser.run(copy.format(EVERY_ROW, "LaTeX"))
    latex = browser.run("window.copied")
    assert latex.startswith("\\begin{tabular}{") and latex.count("\\\\\n") == len(stored) + 1
    assert r"mask\_ratio" in latex and not re.search(r"(?<!\\)[_%#]", latex)


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("script", [True, False])
def test_no_table_is_cut_and_no_text_covers_another(browser, page, width, dark, script):
    browser.open(page, width, dark=dark, script=script)
    assert browser.run(CUT) == []
    texts, overlapping = browser.run(OVERLAPS)
    assert texts > 1000 and overlapping == []
    assert bool(browser.run("document.querySelectorAll('.tools').length")) is script
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground))) < 60) is dark
    nothing_went_wrong(browser, page)


def test_on_paper_everything_is_unfolded_and_nothing_is_cut(browser, page):
    browser.open(page, 760, medium="print")
    folded = "[...document.querySelectorAll('details table')].filter(t => !t.getBoundingClientRect().height).length"
    assert browser.run(folded) == 0
    assert browser.run(CUT) == []
    assert browser.run(OVERLAPS)[1] == []


def test_all_columns_are_one_click_away_without_a_script(browser, page):
    browser.open(page, script=False)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    shown = f"[...{EVERY_ROW}.querySelectorAll('th')].filter(h => h.getBoundingClientRect().width).length"
    some = browser.run(shown)
    left, top = browser.run(f"""(() => {{
      const box = {tools(browser, 'input.all')};
      box.scrollIntoView({{block: 'center'}});
      const at = box.getBoundingClientRect();
      return [at.left + 5, at.top + 5];
    }})()""")
    browser.mouse(left, top, click=True)
    assert some < browser.run(shown) == browser.run(f"{EVERY_ROW}.querySelectorAll('th').length")
