"""Whether two trainings came to the same, which is all but how long they took."""

import csv

import torch

from posebench.pose.training.checkpoint import read_checkpoint


def comparable(folder, checkpoint="last.pt"):
    """What a checkpoint and the log of a run hold, but how long it took."""
    contents = read_checkpoint(folder / checkpoint)
    with open(folder / "log.csv", newline="") as file:
        log = [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
    contents["history"] = [{k: v for k, v in row.items() if k != "seconds"} for row in contents["history"]]
    return contents, log


def assert_same_run(a, b):
    """To the last bit, best.pt included where there is one."""
    names = {file.name for file in a.glob("*.pt")}
    assert {file.name for file in b.glob("*.pt")} == names
    for name in names:
        (there, log_there), (here, log_here) = comparable(a, name), comparable(b, name)
        assert log_here == log_there
        assert_equal(there, here)


def assert_equal(a, b, where="checkpoint"):
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}.{number}")
    else:
        # as text, in which a metric that is nan equals itself
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else repr(a) == repr(b), where
