"""Saved counts, results, folders of sweeps, and the places that files are written to: one line that names the file."""

import csv
import json
import os
import shutil

import pytest
from hostile import cases

from posebench.reports.analysis.results import write_results
from posebench.row import NAMES

ROW = {
    "cell": "a",
    "status": "ok",
    "model": "tmpose_tiny",
    "dataset": "coco",
    "mask": "tome",
    "mask_ratio": 0.4,
    "seed": 0,
    "ap": 0.5,
    "gflops_t": 1.0,
    "gflops": 2.0,
    "batch_size": 1,
}
COUNTS = {
    "model": "tmpose_tiny",
    "dataset": "coco",
    "input_size": "96x72",
    "mask": "none",
    "mask_ratio": 0.0,
    "tokens_total": 48,
    "tokens_kept": 48,
    "params": 1,
    "macs": 1,
    "macs_transformer": 1,
    "published_gflops": 1.0,
    "published_gflops_t": 1.0,
    "parts": {"head": 1},
}
HUGE = 10**4000
NO_TEXT = {"null": None, "number": 3, "list": [], "object": {}}
NO_COUNT = {"null": None, "text": "1", "fraction": 1.5, "flag": True, "list": []}
NO_COUNTS = {
    **{
        f"{key} {name}": {key: value}
        for key in ("model", "dataset", "input_size", "mask")
        for name, value in NO_TEXT.items()
    },
    **{f"{key} {name}": {key: value} for key in ("params", "macs", "tokens_kept") for name, value in NO_COUNT.items()},
    **{f"{key} missing": {key: ...} for key in COUNTS},
    "mask_ratio text": {"mask_ratio": "0.4"},
    "mask_ratio nan": {"mask_ratio": float("nan")},
    "mask_ratio infinite": {"mask_ratio": float("inf")},
    "mask_ratio 1": {"mask": "tome", "mask_ratio": 1.0},
    "mask_ratio below 0": {"mask": "tome", "mask_ratio": -0.5},
    "mask_ratio huge": {"mask_ratio": HUGE},
    "unknown model": {"model": "tmpose_huge"},
    "unknown mask": {"mask": "all"},
    "unknown data": {"dataset": "imagenet"},
    "size text": {"input_size": "big"},
    "size 0": {"input_size": "0x0"},
    "size odd": {"input_size": "97x73"},
    "size huge": {"input_size": "999999x999999"},
    "size digits": {"input_size": "9" * 5000 + "x1"},
    "size ²": {"input_size": "²x²"},
    "decoder number": {"decoder": 3},
    "decoder unknown": {"decoder": "deep"},
    "decoder of none": {"decoder": "classic"},
    "parts list": {"parts": [1]},
    "parts text": {"parts": {"head": "1"}},
    "mask that imports": {"mask": "no_module:mask"},
    "model that imports": {"model": "no_module:x"},
    "long model": {"model": "m" * 100_000},
    "published huge": {"published_gflops": HUGE},
}
NO_COUNTS_FILE = {
    "empty": b"",
    "cut": b'{"posebench_flops": 1, "rows": [',
    "list": b"[]",
    "null": b"null",
    "object": b"{}",
    "version": b'{"posebench_flops": 99, "rows": []}',
    "version flag": b'{"posebench_flops": true, "rows": []}',
    "no rows": b'{"posebench_flops": 1}',
    "rows text": b'{"posebench_flops": 1, "rows": "x"}',
    "rows empty": b'{"posebench_flops": 1, "rows": []}',
    "rows null": b'{"posebench_flops": 1, "rows": [null]}',
    "deep": b"[" * 100_000,
    "digits": b'{"posebench_flops": ' + b"9" * 5000 + b"}",
    "binary": bytes(range(256)),
    "utf-16": "{}".encode("utf-16"),
    "twice": json.dumps({"posebench_flops": 1, "rows": [COUNTS, COUNTS]}).encode(),
    "version huge": b'{"posebench_flops": ' + b"9" * 4000 + b"}",
}


@pytest.mark.parametrize("wrong", cases(NO_COUNTS))
def test_a_row_of_saved_counts(wrong, tmp_path, refused):
    row = {key: value for key, value in (COUNTS | wrong).items() if value is not ...}
    file = tmp_path / "flops.json"
    file.write_text(json.dumps({"posebench_flops": 1, "rows": [row]}))
    refused("flops", "--check", file, naming=file)


@pytest.mark.parametrize("content", cases(NO_COUNTS_FILE))
def test_a_file_of_saved_counts(content, tmp_path, refused):
    file = tmp_path / "flops.json"
    file.write_bytes(content)
    refused("flops", "--check", file, naming=file)


NO_ROWS = {
    **{
        f"{key} {value[:12]}": {key: value}
        for key in ("ap", "gflops_t", "mask_ratio")
        for value in ("inf", "-inf", "x", "1e999", "1,5", "0x1", "9" * 5000)
    },
    **{
        f"{key} {value[:12]}": {key: value}
        for key in ("seed", "batch_size", "schema_version")
        for value in ("1.5", "x", "inf", str(2**63), "9" * 5000, "1e5", "99")
    },
    "flag": {"amp": "maybe"},
    "flag number": {"latency_unstable": "2"},
}
del (
    NO_ROWS["seed 99"],
    NO_ROWS["batch_size 99"],
    NO_ROWS["gflops_t 9" + "9" * 11],
    NO_ROWS["ap 9" + "9" * 11],
    NO_ROWS["mask_ratio 9" + "9" * 11],
)
NO_RESULTS = {
    "empty": b"",
    "blank": b"\n\n",
    "text": b"hello",
    "binary": bytes(range(256)),
    "json": b"{}",
    "nul": b"a,b\n\0,\0\n",
    "quotes": b'"a',
    "utf-16": "a,b".encode("utf-16"),
    "header alone": ",".join(NAMES).encode() + b"\n",
    "short row": ",".join(NAMES).encode() + b"\n1,2\n",
    "unknown column": ("colour," + ",".join(NAMES)).encode() + b"\n",
    "column twice": ("cell," + ",".join(NAMES)).encode() + b"\n",
    "long row": ",".join(NAMES).encode() + b"\n" + b"," * 10_000 + b"\n",
    "one field of 200 kB": b'"' + b"a" * 200_000 + b'"\n',
    "columns missing": b"cell,model\na,b\n",
}


def write_rows(path, *rows):
    """A results file as a hostile editor leaves it: nothing is checked on the way."""
    write_results(path, [ROW])
    header = next(csv.reader(path.read_text().splitlines()))
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(
            [header, *([({"schema_version": "8"} | row).get(name, "") for name in header] for row in rows)]
        )


@pytest.fixture
def schema(tmp_path):
    """The schema version of today's files."""
    write_results(tmp_path / "x.csv", [ROW])
    version = next(csv.DictReader((tmp_path / "x.csv").read_text().splitlines()))["schema_version"]
    (tmp_path / "x.csv").unlink()
    return {"schema_version": version}


@pytest.mark.parametrize("wrong", cases(NO_ROWS))
def test_a_row_of_results(wrong, tmp_path, schema, refused):
    write_rows(tmp_path / "results.csv", schema | ROW, schema | ROW | {"cell": "b"} | wrong)
    refused(
        "report", tmp_path, naming=(tmp_path / "results.csv", *([] if "schema_version" in wrong else ["row 2", *wrong]))
    )


@pytest.mark.parametrize("content", cases(NO_RESULTS))
def test_a_results_file(content, tmp_path, refused):
    (tmp_path / "results.csv").write_bytes(content)
    refused("report", tmp_path, naming=tmp_path / "results.csv")


ODD = {
    "long model": {"model": "m" * 100_000},
    "long mask": {"mask": "n" * 100_000},
    "escapes": {"model": "<script>alert(1)</script>", "mask": "</style>&\x1b[2J"},
    "no numbers": {"ap": "", "gflops_t": "", "gflops": ""},
    "huge": {"ap": "1e300", "gflops_t": "1e300"},
    "below 0": {"ap": "-1", "gflops_t": "-1"},
    "ratio 7": {"mask_ratio": "7"},
    "unknown data": {"dataset": "imagenet"},
    "surrogate": {"model": "a‮b￾"},
    "dollars": {"model": "$x_{$", "mask": r"\frac{"},
    "slashes": {"model": "../../etc", "mask": "a/b"},
    "seed -1": {"seed": "-1"},
    "failed": {"status": "failed", "error": "<b>" + "e" * 100_000},
    "status": {"status": "?"},
    "digits": {"ap": "9" * 300},
    "tiny": {"ap": "1e-320", "gflops_t": "1e-320"},
    "schema gone": {"schema_version": ""},
}


@pytest.mark.parametrize("odd", cases(ODD))
def test_odd_but_possible_results_make_a_page(odd, tmp_path, schema, refused):
    rows = [
        schema | ROW | {"cell": str(n), "mask_ratio": ratio, "mask": mask}
        for n, (mask, ratio) in enumerate([("none", 0), ("tome", 0.4), ("evit", 0.4)])
    ]
    rows[1] |= odd
    write_rows(tmp_path / "results.csv", *rows)
    code, _, err = refused.run("report", tmp_path)
    assert code in (0, 2) and "Traceback" not in err and len(err.splitlines()) == (code == 2), err
    if code == 0:
        page = (tmp_path / "report.html").read_text()
        assert "<script>alert" not in page and "</style>&" not in page.partition("</style>")[2]
        assert {path.parent for path in tmp_path.rglob("*.*")} <= {tmp_path, tmp_path / "plots"}
    else:
        assert str(tmp_path / "results.csv") in err


def folder_at(path):
    path.mkdir(parents=True)


def dangling(path):
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(path.parent / "gone" / "there")


def pipe(path):
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)


def file_at(path):
    path.write_text("kept")


def device(path):
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("/dev/null")


IN_THE_WAY = {
    "page folder": ("report.html", folder_at),
    "page pipe": ("report.html", pipe),
    "page device": ("report.html", device),
    "plots file": ("plots", file_at),
    "plots pipe": ("plots", pipe),
    "plots device": ("plots", device),
    "plot folder": ("plots/savings.svg", folder_at),
    "results folder": ("results.csv", folder_at),
    "results pipe": ("results.csv", pipe),
    "results device": ("results.csv", lambda path: path.symlink_to("/dev/zero")),
    "results dangling": ("results.csv", dangling),
    "page loop": ("report.html", lambda path: path.symlink_to("report.html")),
    "plots loop": ("plots", lambda path: path.symlink_to("plots")),
}


@pytest.mark.parametrize("case", cases(IN_THE_WAY, quick=7))
def test_something_in_the_way_of_a_report(case, tmp_path, schema, refused):
    name, make = case
    rows = [
        schema | ROW | {"cell": str(n), "mask_ratio": ratio, "mask": mask}
        for n, (mask, ratio) in enumerate([("none", 0), ("tome", 0.4)])
    ]
    if name != "results.csv":
        write_rows(tmp_path / "results.csv", *rows)
    if name.startswith("plots/"):
        assert refused.run("report", tmp_path)[0] == 0
        first = min((tmp_path / "plots").iterdir())
        first.unlink()
        (tmp_path / "report.html").unlink()
        name = f"plots/{first.name}"
    make(tmp_path / name)
    refused("report", tmp_path, naming=name.partition("/")[0])


@pytest.mark.parametrize("make", [folder_at, dangling, pipe, file_at, lambda path: path.symlink_to("/dev/zero")])
def test_a_picture_of_masks_that_is_none_is_left_out(make, tmp_path, schema, refused):
    rows = [
        schema | ROW | {"cell": str(n), "mask_ratio": ratio, "mask": mask}
        for n, (mask, ratio) in enumerate([("none", 0), ("tome", 0.4)])
    ]
    write_rows(tmp_path / "results.csv", *rows)
    (tmp_path / "plots" / "masks").mkdir(parents=True)
    make(tmp_path / "plots" / "masks" / "tome_0.4.png")
    code, _, err = refused.run("report", tmp_path)
    assert (code, err) == (0, "")


def below_a_file(folder):
    (folder / "file").write_text("kept")
    return "file/a"


TARGETS = {
    "folder": lambda folder: (folder / "there").mkdir() or "there",
    "nowhere": lambda folder: "no/such/folder/a",
    "below a file": below_a_file,
    "in /proc": lambda folder: "/proc/a",
    "long": lambda folder: "n" * 256,
    "long folder": lambda folder: "n" * 256 + "/a",
    "very long": lambda folder: "n/" * 4000,
    "pipe": lambda folder: os.mkfifo(folder / "pipe") or "pipe",
    "device": lambda folder: (folder / "null").symlink_to("/dev/null") or "null",
    "loop": lambda folder: (folder / "loop").symlink_to("loop") or "loop",
    "there": lambda folder: (folder / "kept").write_text("kept") and "kept",
    "dangling": lambda folder: (folder / "link").symlink_to("no/folder") or "link",
    "dot": lambda folder: ".",
    "slash": lambda folder: "/",
}
WRITES = {
    "flops --save": ("flops", "--model", "tmpose_tiny", "--save"),
    "flops --save --force": ("flops", "--model", "tmpose_tiny", "--force", "--save"),
    "eval": ("eval", "--quiet", "--data", "coco", "--save-results"),
    "convert": ("weights", "convert", "tiny.pt", "--out"),
    "audit": ("audit", "--no-latency", "--quiet", "--html"),
    "export": ("export", "tmpose_tiny", "--runtime", "torch", "--out"),
    "predict": ("predict", "a.jpg", "--weights", "tiny.pt", "--json"),
}


@pytest.mark.parametrize("make", cases(TARGETS, quick=7))
@pytest.mark.parametrize("command", WRITES.values(), ids=WRITES)
def test_a_place_that_nothing_can_be_written_to(command, make, sound, coco, tmp_path, refused):
    os.link(sound / "tiny.pt", tmp_path / "tiny.pt")
    shutil.copy(next((coco / "images/val2017").iterdir()), tmp_path / "a.jpg")
    target = make(tmp_path)
    if "--force" in command and target == "kept":
        pytest.skip("what --force is for")
    refused(*command, target, naming=target[:200])


FOLDERS = {
    name: TARGETS[name] for name in ("below a file", "in /proc", "long", "very long", "pipe", "device", "loop", "there")
}


@pytest.mark.parametrize("make", cases(FOLDERS, quick=7))
@pytest.mark.parametrize("command", ["train", "sweep", "data synth", "predict"])
def test_a_folder_that_cannot_be_made(command, make, sound, coco, tmp_path, refused):
    picture = next((sound / "coco/images/val2017").iterdir())
    arguments = {
        "train": ("--data", coco, "--quiet", "--train-split", "val", "--epochs", 1, "--evaluate-every", 0),
        "sweep": ("--data", coco, "--quiet", "--weights", sound / "tiny.pt"),
        "data synth": ("--train", 0, "--val", 2, "--jobs", 1, "--quiet"),
        "predict": (picture, "--weights", sound / "tiny.pt"),
    }
    target = make(tmp_path)
    code, _, err = refused.run(*command.split(), *arguments[command], "--out", target)
    last = err.splitlines()[-1]
    assert code == 2 and last.startswith("posebench: error: ") and "Traceback" not in err, err[-2000:]
    assert target[:100] in last


@pytest.mark.parametrize("name", ["[/red]", "[bold]", "a b", "-dash", "%s{}", "ünï", "'quoted'"])
def test_a_name_that_is_only_odd(name, tmp_path, refused):
    code, out, err = refused.run("data", "synth", f"--out={name}", "--train", 0, "--val", 1, "--jobs", 1)
    assert code == 0 and f"{name}: 0 people" in out and "Traceback" not in err
    assert (tmp_path / name / "annotations").is_dir()
