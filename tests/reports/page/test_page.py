"""report.html: one file, no network, every foreign string escaped, whatever rows there are."""

import base64
import hashlib
import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from posebench.pose.errors import InputError
from posebench.reports.analysis.results import read_results, records_of
from posebench.reports.report import write_report
from posebench.row import COLUMNS

HOSTILE = "\"'><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>{{ 7*7 }}--><!--$a_b$"


class Page(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.pieces, self.headings = [], [], [], []
        self._inside = []
        self.feed(html)
        self.text = " ".join(" ".join(self.pieces).replace("\N{NO-BREAK SPACE}", " ").split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("meta", "img", "br"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data):
        if not {"style", "script"} & set(self._inside):
            self.pieces.append(data)
        if self._inside and self._inside[-1] == "h2":
            self.headings.append(data)


def png(width=4, height=3):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes((width + 1) * height)))


def report(folder, rows, **more):
    return Page(write_report(folder, rows, **more).read_text(encoding="utf-8"))


def test_the_page_fetches_nothing_and_runs_its_own_script_alone(tmp_path, sweep_rows):
    (tmp_path / "plots" / "masks").mkdir(parents=True)
    (tmp_path / "plots" / "masks" / "semantic_0.6.png").write_bytes(png())
    page = report(tmp_path, sweep_rows())
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "data", "poster", "action"):
            assert value.startswith(("data:image/png;base64,", "#")), (tag, name, value[:80])
        assert not name.startswith("on")
        assert "url(" not in value or "url(#" in value
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\((?!#)", html) and "http" not in html.replace("http-equiv", "")
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(script.encode()) < 20_000 and page.tags.count("script") == 1
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{}'"
    assert ("meta", "content", policy.format(digest)) in page.attributes


def test_every_foreign_string_is_escaped(tmp_path, sweep_rows):
    texts = {column.name: f"{column.name}{HOSTILE}" for column in COLUMNS if column.kind == "text"}
    del texts["train_ratio"]  # holds ratios, or is refused
    rows = sweep_rows(seeds=(0,), ratios=(0.4,), batch_sizes=(1, 2))
    for row in rows:
        row.update({name: text for name, text in texts.items() if name not in ("dataset", "status", "cell", "mask")})
        row["mask"] = "none" if row["mask_ratio"] == 0 else HOSTILE
    rows.append({**rows[-1], **texts, "status": "failed"})
    (tmp_path / "plots" / "masks").mkdir(parents=True)
    (tmp_path / "plots" / "masks" / '"><script>alert(2)<.png').write_bytes(png())
    page = report(tmp_path, rows, title=HOSTILE, notes=[HOSTILE])
    assert page.tags.count("script") == 1 and page.tags.count("img") == 1, "the script is the page's own"
    assert all(not name.startswith("on") for _, name, _ in page.attributes)
    assert page.text.count("<script>alert(1)</script>") > 50, "shown as text, not swallowed"
    assert "49" not in {piece.strip() for piece in page.pieces}, "no value is taken for a template"
    assert f"error{HOSTILE}" in page.text


def test_the_sections_of_a_whole_sweep_are_there(tmp_path, sweep_rows):
    (tmp_path / "plots" / "masks").mkdir(parents=True)
    picture = png(40, 30)
    (tmp_path / "plots" / "masks" / "semantic_0.6.png").write_bytes(picture)
    (tmp_path / "plots" / "masks" / "not_a_picture.png").write_bytes(b"text")
    rows = sweep_rows()
    rows[4].update(latency_unstable=True, git_dirty=True)
    rows.append({**rows[-1], "cell": "f", "seed": 9, "status": "failed", "error": "loss is NaN at step 12", "ap": None})
    page = report(tmp_path, rows, notes=["Made for a test."])
    assert page.headings == [
        "What to choose",
        "Accuracy against compute and time",
        "Counted and measured saving",
        "Exact count and published convention",
        "Results",
        "Masks on sample images",
        "Training",
        "Conditions",
        "Cells that failed",
        "What the words mean",
    ]
    assert page.tags.count("svg") == 4
    assert ("img", "src", f"data:image/png;base64,{base64.b64encode(picture).decode()}") in page.attributes
    assert ("img", "width", "40") in page.attributes and "semantic 0.6" in page.text
    for words in (
        "Semantic masking of tmpose_tiny at ratio 0.6 removes 42.4 % of GFLOPsT",
        "1 of 13 cells failed",
        "1 of 12 timings are unstable",
        "uncommitted changes",
        "loss is NaN at step 12",
        "Made for a test.",
        "fine-tuned from one shared unmasked model",
        "61.1 %",
        "Intel Xeon 2.1 GHz",
        "2.13.0",
        "0a1b2c3",
        "2025-11-20T21:40:00Z",
        "1e9 MAC",
        "one image, everything behind the backbone's feature map",
    ):
        assert words in page.text, words


def test_words_that_occur_are_explained_and_no_others(tmp_path, sweep_rows):
    page = report(tmp_path / "ap", sweep_rows())
    meanings = page.text.partition("What the words mean")[2].partition("Numbers: results.csv")[0]
    for word in ("mask ratio", "GFLOPsT", "OKS", "tested together, Holm", "Pareto front", "IQR"):
        assert f" {word} " in meanings, word
    assert "PCKh" not in meanings and "max-T" not in meanings
    page = report(tmp_path / "pckh", sweep_rows(dataset="mpii", ap=None, pckh=80.0, pckh_ci_low=78.0))
    meanings = page.text.partition("What the words mean")[2]
    assert " PCKh " in meanings and "COCO's average precision" not in meanings


def test_where_nothing_was_timed_no_sentence_explains_times(tmp_path, sweep_rows):
    untimed = dict.fromkeys(("latency_ms_median", "latency_transformer_ms_median"))
    text = report(tmp_path, sweep_rows(**untimed)).text
    assert "latency is that of" not in text and "single timings" not in text
    assert "tmpose_tiny: peak memory, cpu" in text
    text = report(tmp_path, sweep_rows()).text
    assert "latency is that of the whole model" in text and "tmpose_tiny: median latency and peak memory, cpu" in text


def test_a_timing_shared_by_seeds_is_counted_once(tmp_path, sweep_rows):
    rows = sweep_rows(ratios=(0.4,))
    for row in rows:
        shared = {"latency_ms_median": 5.0, "latency_transformer_ms_median": 2.0}
        row.update(shared, latency_transformer_unstable=row["mask"] == "semantic")
    page = report(tmp_path, rows)
    assert "1 of 2 timings are unstable" in page.text


def test_accuracies_of_untrained_weights_are_said_to_be_such_in_any_metric(tmp_path, sweep_rows):
    for folder, metric in (("coco", {}), ("mpii", dict(dataset="mpii", ap=None, pckh=3.0))):
        page = report(tmp_path / folder, sweep_rows(seeds=(0,), ratios=(0.4,), training="none", **metric))
        assert "Some accuracies are those of untrained weights." in page.text


def test_the_margin_of_the_page_is_the_given_one_or_the_recorded_one(tmp_path, sweep_rows):
    rows = sweep_rows(ratios=(0.4,), loss_margin=0.03)
    assert "The margin is 0.03 of the metric's full scale, or 6 % of" in report(tmp_path, rows).text
    text = Page(write_report(tmp_path, margin=0.005).read_text(encoding="utf-8")).text
    assert "The margin is 0.005 of the metric's full scale, or 1 % of" in text and "margin 0.005 AP" in text
    for nonsense in (0, 1, -0.01, "nan", "much"):
        with pytest.raises(InputError, match=r"--margin: .* is no margin; give a fraction"):
            write_report(tmp_path, margin=nonsense)


def test_every_reference_inside_the_page_resolves_and_no_id_occurs_twice(tmp_path, sweep_rows):
    page = report(tmp_path, sweep_rows(seeds=(0,)))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    used = {value[1:] for _, name, value in page.attributes if name.endswith("href")}
    used |= {name for _, _, value in page.attributes for name in re.findall(r"url\(#([^)]+)\)", value)}
    assert used and used <= set(ids)


def test_rows_given_are_written_and_a_second_report_reads_them(tmp_path, sweep_rows):
    rows = sweep_rows(seeds=(0,), ratios=(0.4,))
    path = write_report(tmp_path, rows)
    assert path == tmp_path / "report.html"
    assert [row["ap"] for row in records_of(read_results(tmp_path / "results.csv"))] == [row["ap"] for row in rows]
    first = path.read_bytes()
    path.unlink()
    assert write_report(tmp_path).read_bytes() == first, "the file alone gives the same page"
    assert not [name for name in tmp_path.rglob("*.part")]


@pytest.mark.parametrize(
    "changes",
    [
        dict(ap=None, ap_ci_low=None, ap_ci_high=None),
        dict(latency_ms_median=None, latency_transformer_ms_median=None, batch_size=None),
        dict(gflops=None, gflops_t=None, published_gflops=None, published_gflops_t=None),
        dict(dataset="mpii", ap=None, pckh=80.0),
        dict(status="failed", error="no", ap=None, latency_ms_median=None, latency_transformer_ms_median=None),
        dict(training=None, device=None, threads=None, date_utc=None, torch_version=None),
    ],
)
@pytest.mark.parametrize("masks", [(), ("random",)])
def test_rows_with_gaps_still_give_a_page(tmp_path, sweep_rows, masks, changes):
    rows = [{**row, **changes} for row in sweep_rows(masks=masks, seeds=(0,), ratios=(0.4,))]
    page = report(tmp_path, rows)
    assert "Results" in page.headings
    assert not re.search(r"\bnan\b|\bNone\b|<NA>", page.text)


def test_a_row_that_has_next_to_nothing_still_gives_a_page(tmp_path):
    assert "Results" in report(tmp_path, [{"model": "m"}]).headings


def test_no_results_are_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"results\.csv: no such file"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="no rows"):
        write_report(tmp_path, [])


@pytest.fixture
def with_evidence(tmp_path, sweep_rows):
    """Rows of two masks, and evidence of people in which `scorer` is a hair above `semantic` on every one of them."""
    rows = sweep_rows(("semantic", "scorer"), (0.4,), (0,), (1,))
    for row in rows:
        row |= {"cell": row["mask"], "gflops_t": 1.0 if row["mask"] == "none" else 0.7}
        row |= {"latency_ms_median": None, "latency_transformer_ms_median": None}
        folder = tmp_path / "cells" / row["mask"]
        folder.mkdir(parents=True)
        found = np.random.default_rng(3).normal(0, 20, 400) + {"none": 65, "semantic": 64, "scorer": 64.1}[row["mask"]]
        np.savez(folder / "evidence.npz", images=np.arange(400), found=found, annotated=np.full(400, 100))
    return tmp_path, rows


def test_the_front_of_what_to_choose_is_drawn_from_the_same_people(with_evidence):
    folder, rows = with_evidence
    page = report(folder, rows)
    assert "of people, the same for all, in which no other configuration has more AP" in page.text
    table = page.text.partition("Another loss or another")[0]
    assert re.search(r"scorer 0\.4 .* 100 % ", table) and re.search(r"semantic 0\.4 .* 0 % ", table), "in every draw"
    (folder / "cells" / "scorer" / "evidence.npz").write_bytes(b"broken")
    page = report(folder, rows)
    assert "The Pareto front is drawn from intervals alone." in page.text and "scorer" in page.text
    assert "each interval by itself" in page.text


def test_below_300_people_the_plain_interval_of_ap_is_said_to_be_short(tmp_path, sweep_rows):
    said = "95 % interval of an AP by itself is too narrow"
    for people, told in ((299, True), (300, False)):
        rows = sweep_rows(seeds=(0,), ratios=(0.4,), eval_people=people)
        assert (said in report(tmp_path / str(people), rows).text) is told
    rows = sweep_rows(seeds=(0,), ratios=(0.4,), eval_people=299, ap=None, dataset="mpii", pckh=80.0, pckh_ci_low=78.0)
    assert said not in report(tmp_path / "mpii", rows).text, "PCKh's covers what it says"
