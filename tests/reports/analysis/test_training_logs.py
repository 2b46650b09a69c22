"""The losses of a sweep's models, epoch by epoch, as far as they were written down."""

import pytest

from posebench.reports.analysis.findings import find
from posebench.reports.analysis.training_logs import read_training_logs
from posebench.reports.plots.style import style
from posebench.reports.plots.training_curves import PLOT


def write_log(folder, *losses):
    folder.mkdir(parents=True)
    lines = [f"{epoch},{loss}" for epoch, loss in enumerate(losses, 1)]
    (folder / "log.csv").write_text("\n".join(["epoch,loss", *lines, ""]))


def test_each_model_has_its_curve_behind_that_of_the_base_model(tmp_path, sweep_rows):
    rows = sweep_rows(("random",), (0.2, 0.4), (0,))
    write_log(tmp_path / "base" / "b", 0.9, 0.6)
    for row, last in zip(rows, (0.3, 0.35, 0.4), strict=True):
        write_log(tmp_path / "cells" / row["cell"], 0.5, last)
    logs = read_training_logs(tmp_path)
    assert logs.bases == {"b": [(1, 0.9), (2, 0.6)]} and logs.cells[rows[2]["cell"]] == [(1, 0.5), (2, 0.4)]
    (case,) = PLOT.needs(find(rows, logs=logs))
    with style():
        figure, alt = PLOT.draw(*case.given)
    assert alt == "Training loss over epochs. At the end unmasked: 0.3, random 0.4: 0.4."
    spans = [(list(line.get_xdata()), list(line.get_ydata())) for line in figure.axes[0].get_lines()]
    assert ([1, 2], [0.9, 0.6]) in spans and ([2, 3, 4], [0.6, 0.5, 0.4]) in spans


@pytest.mark.parametrize("last", ["", "x", "nan", "inf", "1e308"])
def test_a_broken_log_is_none(last, tmp_path):
    write_log(tmp_path / "cells" / "a", 0.5, last)
    write_log(tmp_path / "cells" / "b", 0.5, 0.25)
    assert read_training_logs(tmp_path).cells == {"b": [(1, 0.5), (2, 0.25)]}
