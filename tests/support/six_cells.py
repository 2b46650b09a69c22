"""A sweep of six cells that are done in seconds, and what of its results does not depend on where they were run."""

from posebench.reports.analysis.results import read_results, records_of
from posebench.row import COLUMNS
from posebench.sweeps.request import parse

OPTIONS = {
    "masks": "random", "ratios": "0.5", "seeds": "0,1,2", "epochs": 2, "base_epochs": 1, "threads": 1, "latency": False,
}  # fmt: skip
CELLS = 6
#: what a clock, a machine or a day decides
_ELSEWHERE = {"train_seconds", "eval_seconds", "date_utc", "peak_rss_mib", "git_revision", "git_dirty"}


def six_cells(data, **options):
    """The request, for `data` and further options of a sweep."""
    return parse(OPTIONS | {"data": data} | options)


def results_of(folder):
    """Everything in results.csv that another machine must find, too, by mask and seed, to the last digit."""
    names = [column.name for column in COLUMNS if column.name not in _ELSEWHERE]
    rows = records_of(read_results(folder / "results.csv"))
    found = {(row["mask"], row["seed"]): {name: row[name] for name in names} for row in rows}
    assert len(found) == len(rows) == CELLS and all(row["loss"] > 0 for row in found.values())
    return found
