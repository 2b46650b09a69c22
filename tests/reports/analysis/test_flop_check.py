"""The FLOP check sees one changed integer, and says clearly what is wrong with a file."""

import copy
import json

import pytest

from posebench.pose.errors import InputError
from posebench.reports.analysis.flop_check import compare_counts, read_counts, save_counts

ROWS = [
    dict(model=model, dataset="coco", input_size="256x192", mask=mask, mask_ratio=ratio, tokens_total=256,
         tokens_kept=kept, params=27_531_552, macs=10_861_000_001 + kept, macs_transformer=1_828_800_001, gflops=10.861,
         gflops_t=1.8288, published_gflops=9.41698, published_gflops_t=1.004748, extra="ignored",
         parts={"backbone": 9_032_200_000, "blocks": 1_700_000_000, "head": 128_800_001})
    for model in ("tmpose_l", "tmpose_b") for mask, ratio, kept in (("none", 0.0, 256), ("random", 0.4, 153))
]  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    save_counts(tmp_path / "flops.json", ROWS)
    return read_counts(tmp_path / "flops.json")


def test_what_was_saved_compares_equal(saved):
    assert compare_counts(saved, ROWS) == []
    assert compare_counts(saved, list(reversed(ROWS))) == []


@pytest.mark.parametrize("field", ["params", "macs", "macs_transformer", "tokens_kept", "parts.head"])
def test_one_changed_integer_is_the_only_difference(saved, field):
    now = copy.deepcopy(ROWS)
    place = now[3]["parts"] if field.startswith("parts.") else now[3]
    name = field.removeprefix("parts.")
    place[name] += 1
    (moved,) = compare_counts(saved, now)
    assert moved.row() == dict(model="tmpose_b", dataset="coco", input_size="256x192", mask="random", mask_ratio=0.4,
                               field=field, old=place[name] - 1, new=place[name])  # fmt: skip


def test_a_published_count_that_moves_in_the_sixth_decimal_is_seen(saved):
    now = copy.deepcopy(ROWS)
    now[0]["published_gflops_t"] += 1e-6
    assert [moved.field for moved in compare_counts(saved, now)] == ["published_gflops_t"]


def test_rows_and_parts_on_one_side_only_are_differences(saved):
    now = copy.deepcopy(ROWS)
    del now[0]["parts"]["head"]
    gone = now.pop(1)
    now.append({**gone, "mask": "block"})
    moved = {(d.mask, d.field): (d.old, d.new) for d in compare_counts(saved, now)}
    assert moved == {
        ("none", "parts.head"): (128_800_001, None),
        ("random", "row"): (gone["macs"], None),
        ("block", "row"): (None, gone["macs"]),
    }


def test_a_ratio_with_rounding_noise_is_the_same_ratio(saved):
    now = [{**row, "mask_ratio": 1 - 0.6 if row["mask_ratio"] else 0.0, "input_size": [256, 192]} for row in ROWS]
    assert compare_counts(saved, now) == []


def _without(name):
    return [{key: value for key, value in ROWS[0].items() if key != name}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("{", "not JSON"),
        ("[]", "not a file of `posebench flops --save`"),
        ("[" * 100_000, "cannot be read|not JSON"),
        ({"posebench_flops": 2, "rows": []}, "version 2"),
        ({"posebench_flops": 1}, '"rows" must be a list'),
        ({"posebench_flops": 1, "rows": [3]}, "row 1 is not an object"),
        ({"posebench_flops": 1, "rows": _without("macs")}, "row 1 lacks macs"),
        ({"posebench_flops": 1, "rows": [{**ROWS[0], "params": "many"}]}, "params must be a whole number"),
        ({"posebench_flops": 1, "rows": [{**ROWS[0], "macs": 1.5}]}, "macs must be a whole number"),
        ({"posebench_flops": 1, "rows": [{**ROWS[0], "mask_ratio": True}]}, "mask_ratio must be a number"),
        ({"posebench_flops": 1, "rows": [ROWS[0], ROWS[0]]}, "row 2 counts tmpose_l none 0.0 once more"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path, content, words):
    path = tmp_path / "flops.json"
    if content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=words) as caught:
        read_counts(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
