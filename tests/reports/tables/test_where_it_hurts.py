"""Where masks hurt: parts against the unmasked model's, a left and a right joint as one, shaded by what is lost."""

import csv

import pytest

from posebench.pose.errors import InputError
from posebench.pose.keypoints import Skeleton
from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.parts import JOINT_COLUMNS, Parts, read_by_joint
from posebench.reports.tables.where_it_hurts import where_it_hurts_table
from posebench.sweeps.by_joint import parts_of


@pytest.fixture
def by_joint(tmp_path):
    """Unmasked: nose 0.8, shoulders 0.9 of 30 people and 0.6 of 10; masked: nose 0.7, shoulders 0.9 and 0.59."""
    similarities = {"none-0.0-0": (0.8, 0.9, 0.6), "random-0.4-0": (0.7, 0.9, 0.59)}
    path = tmp_path / "by_joint.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(JOINT_COLUMNS)
        for cell, (nose, left, right) in similarities.items():
            writer.writerow([cell, "nose", "nose", 20, nose])
            writer.writerow([cell, "left_shoulder", "shoulder", 30, left])
            writer.writerow([cell, "right_shoulder", "shoulder", 10, right])
    return path


def test_left_and_right_are_one_part_by_their_people_and_losses_are_shaded(by_joint, sweep_rows):
    (subject,) = compare(sweep_rows(("random",), (0.4,), (0,), (1,), loss_margin=0.01))
    table = where_it_hurts_table(subject, Parts(), read_by_joint(by_joint))
    heads = [(head.label, head.unit) for head in table.heads]
    assert heads == [("mask, ratio", ""), ("nose", "20 joints"), ("shoulder", "40 joints")]
    unmasked, masked = ([(cell.text, cell.aside, cell.kind) for cell in row.cells] for row in table.rows)
    assert unmasked == [("unmasked", "", ""), ("0.800", "", "n"), ("0.825", "", "n")]
    # (30 * 0.9 + 10 * 0.59) / 40; lost 0.1, the most, and 0.0025, less than the margin
    assert masked == [("random 0.4", "", ""), ("0.700", "-0.100", "n lost4"), ("0.823", "-0.002", "n")]


def test_losses_below_the_margin_are_not_shaded_though_they_are_the_largest(by_joint, sweep_rows):
    by_joint.write_text(by_joint.read_text().replace("0.7\n", "0.795\n").replace("0.59\n", "0.6\n"))
    (subject,) = compare(sweep_rows(("random",), (0.4,), (0,), (1,), loss_margin=0.01))
    (_, masked) = where_it_hurts_table(subject, Parts(), read_by_joint(by_joint)).rows
    assert [(cell.aside, cell.kind) for cell in masked.cells[1:]] == [("-0.005", "n"), ("+0.000", "n")]


def test_a_model_without_any_of_it_has_no_table(sweep_rows):
    (subject,) = compare(sweep_rows(("random",), (0.4,), (0,), (1,)))
    assert where_it_hurts_table(subject, Parts(), Parts()) is None


def test_a_broken_file_is_one_line(by_joint):
    for line in ("c,nose,nose,0,0.5\n", "c,nose,nose,many,0.5\n", "c,nose\n", "c,nose,nose,1,inf\n"):
        by_joint.write_text(",".join(JOINT_COLUMNS) + "\n" + line)
        with pytest.raises(InputError, match=r"by_joint\.csv: does not hold what a sweep writes"):
            read_by_joint(by_joint)


def test_pairs_are_called_what_both_are_called():
    skeleton = Skeleton(("nose", "left_hip", "right_hip", "lsho", "rsho", "Left", "Right"), ((1, 2), (3, 4), (5, 6)))
    assert parts_of(skeleton) == ["nose", "hip", "hip", "lsho, rsho", "lsho, rsho", "Left, Right", "Left, Right"]
