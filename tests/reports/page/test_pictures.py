"""A page of many masks stays one that can be sent: of its pictures as many as there is room for, the telling ones."""

import base64

import cv2
import numpy as np
import pytest

from posebench.reports.page.pictures import gallery

MODELS = ("tiny", "tiny_b")


@pytest.fixture
def sheets(tmp_path):
    """Two models, three masks, two ratios, as noise that does not compress."""
    rng = np.random.default_rng(0)
    paths = []
    for model in MODELS:
        for mask in ("ats", "norm", "prior"):
            for ratio in ("0.2", "0.6"):
                paths.append(tmp_path / f"{model}_{mask}_{ratio}.png")
                cv2.imwrite(str(paths[-1]), rng.integers(0, 255, (60, 80, 3), np.uint8))
    return paths


def test_what_has_room_is_shown_the_deepest_ratios_first_and_each_model_in_turn(sheets):
    every = gallery(sheets, MODELS, 10**9)
    assert [one.caption for one in every[:3]] == ["tiny: ats 0.2", "tiny: ats 0.6", "tiny: norm 0.2"]
    assert len(every) == len(sheets)
    largest = max(len(one.source) for one in every)
    for count in (1, 4, 6, 7):
        shown = gallery(sheets, MODELS, count * largest + 10)
        names = [one.caption for one in shown]
        assert sum(len(one.source) for one in shown) <= count * largest + 10 and len(shown) == count
        assert sum("0.6" in name for name in names) == min(count, 6), "all of 0.6 before any of 0.2"
        assert abs(sum("tiny: " in name for name in names) - count / 2) <= 0.5, "both models"
    assert gallery(sheets, MODELS, 10) == []


def test_a_caption_is_the_files_name_and_only_a_png_is_shown(tmp_path, sheets):
    (tmp_path / "semantic_0.6.png").write_bytes(sheets[0].read_bytes())
    (tmp_path / "not_a_picture.png").write_bytes(b"text")
    (one,) = gallery([tmp_path / "semantic_0.6.png", tmp_path / "not_a_picture.png"], (), 10**9)
    assert (one.caption, one.width, one.height) == ("semantic 0.6", 80, 60)
    assert base64.b64decode(one.source.partition(",")[2]) == sheets[0].read_bytes()
