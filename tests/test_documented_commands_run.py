"""The commands of README and docs/ run and end as they say, on small stand-ins for what a reader has."""

import re
import shlex
import shutil
import sys

import pytest
from documented import COMMANDS, OWN, ROOT

from posebench.cli import main
from posebench.reports.analysis.results import read_results, write_results

pytestmark = pytest.mark.slow

#: what stands in for a model of the papers, data, weights and runs of the reader's
MODELS = {"vitpose_b": "vitpose_tiny", "vitpose_s": "vitpose_tiny"}
DATA = re.compile(r"/data/\w+|/shared/coco|/scratch/coco_packed|^people$")
WEIGHTS = re.compile(r"(vitpose)?[\w./-]*\.(pt|pth)$")
#: what is run elsewhere (test_contributing, the tests of executors, of the gate and of devices), or needs what no test
#: has: a cluster, a GPU, an energy counter, code of the reader's
ELSEWHERE = re.compile(r"\bmy_|--executor|posebench gate|posebench cuda(?!.*dry-run)|--energy|posebench audit")
#: options without an effect on what is tested here
DROPPED = {"--dataset": 1, "--device": 1, "--amp": 0, "--backbone-weights": 1, "--boxes": 1}
TIMED = ["--samples", "3", "--seconds", "0.2"]
SHORTER = {
    "sweep": ["--data", "people", "--epochs", "1", "--base-epochs", "1", "--samples", "3"],
    "train": ["--data", "people", "--epochs", "1"],
    "eval": ["--data", "people"],
    "profile": [*TIMED, "--threads", "1"],
    "breakeven": [*TIMED, "--ratios", "0.4"],
    "explain": [],
    "search": [],
}
NEEDED = {"onnxruntime": r"export|\.onnx|int8", "openvino": r"export", "optuna": r"--trials"}


def tiny(name):
    return name if name.endswith("_tiny") else MODELS.get(name, "tmpose_tiny")


def words_of(line):
    """The command on the stand-ins, without `posebench`."""
    words = shlex.split(line)[1:]
    found, command = [], words[0]
    given = iter(words)
    for word in given:
        if word in DROPPED:
            for _ in range(DROPPED[word]):
                next(given)
        elif word == "--trials":
            found += [word, str(min(2, int(next(given))))]
        elif word == "--devices":
            value = next(given)
            found += [word, value] if "cpu" in value else []
        elif word == "--model" or (command == "export" and word in ("tmpose_l", "tokenpose_b", "vitpose_b")):
            value = next(given) if word == "--model" else word
            if not value.endswith(".onnx"):
                value = ",".join(dict.fromkeys(map(tiny, value.split(","))))
            found += [word, value] if word == "--model" else [value]
        elif word == "--runtime" and command != "export":
            kept = [name for name in next(given).split(",") if name in ("eager", "fused")]
            found += [word, ",".join(kept or ["eager"])]
        elif word == "--workers":
            found += [word, str(0 * int(next(given)))]
        elif word == "--seeds":
            found += [word, next(given)[:1]]
        elif word == "--budget":
            found += [word, next(given).replace("1.8", "0.021")]
        elif word in ("--weights", "--artifact"):
            value = next(given)
            name, _, file = value.rpartition("=")
            file = ("vitpose.pt" if "vitpose" in file else "best.pt") if WEIGHTS.match(file) else "tmpose_l.onnx"
            found += [word, f"{name}={file}" if name else file]
        elif DATA.search(word):
            found.append("people" if word.startswith(("/data", "/shared/coco", "people")) else "packed")
        elif word == "photos/*.jpg":
            found.append("photo.jpg")
        else:
            found.append(word.replace("/shared/runs", "runs"))
    extra = list(SHORTER.get(command, ()))
    if "--data" in found or "--profile-only" in found:
        extra = extra[2:] if "--data" in extra else extra
    if "--profile-only" in found or "--weights" in found:
        extra = extra[:2] * ("--data" in extra) + ["--samples", "3"] * (command == "sweep")
    if command == "profile" and ("--data" in found or "--deployed" in found or "--train" in found):
        extra = []
    pairs = zip(extra[::2], extra[1::2], strict=True)
    return found + [word for pair in pairs if pair[0] not in found for word in pair]


RUNNABLE = sorted({line for page, line in COMMANDS if page != OWN and not ELSEWHERE.search(line)})


@pytest.fixture(scope="module")
def home(tmp_path_factory, people):
    """A folder with what the documentation speaks of."""
    root = tmp_path_factory.mktemp("documented")
    shutil.copytree(people, root / "people")
    shutil.copy(next((people / "images").rglob("*.jpg"), None) or next(people.rglob("*.jpg")), root / "photo.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)

        def run(*arguments):
            patch.setattr(sys, "argv", ["posebench", *arguments])
            try:
                main()
            except SystemExit as end:
                assert not end.code

        brief = ["--data", "people", "--epochs", "1"]
        run("train", "--model", "tmpose_tiny", "--mask", "semantic", "--ratio", "0.4", *brief, "--out", "runs/tiny")
        run("train", "--model", "vitpose_tiny", *brief, "--out", "runs/vitpose")
        grid = ["--mask", "tome", "--ratios", "0.4", "--base-epochs", "1", "--no-latency"]
        run("sweep", *grid, *brief, "--out", "runs/full")
        run("data", "pack", "people", "--out", "packed")
    for name in ("best.pt", "last.pt", "A.pt"):
        shutil.copy(root / "runs/tiny/best.pt", root / name)
    shutil.copy(root / "runs/vitpose/best.pt", root / "vitpose.pt")
    rows = read_results(ROOT / "docs" / "example" / "results.csv")
    rows = rows.assign(batch_size=32, latency_ms_median=1 + 100 * rows["gflops_t"]).to_dict("records")
    for name in ("runs/three-masks", "runs/before", "runs/after", "runs/old", "runs/new", "baseline"):
        (root / name / "plots").mkdir(parents=True)
        write_results(root / name / "results.csv", rows)
    write_results(root / "baseline.csv", rows)
    shutil.copytree(root / "runs/full", root / "runs/now")
    (root / "rules.yaml").write_text("gflops_t: equal\nap: drop <= 0.005\n")
    return root


@pytest.mark.parametrize("line", RUNNABLE, ids=[line[10:90] for line in RUNNABLE])
def test_a_documented_command_runs(posebench, home, tmp_path, monkeypatch, line):
    for package, words in NEEDED.items():
        if re.search(words, line):
            pytest.importorskip(package)
    place = tmp_path / "home"
    shutil.copytree(home, place)
    monkeypatch.chdir(place)
    words = words_of(line)
    if "--check" in words and words[0] == "flops":
        assert posebench("flops", "--model", "tmpose_tiny", "--save", "flops.json")[0] == 0
    if any(word.endswith(".onnx") for word in words) and words[0] != "export":
        for name in ("tmpose_l.onnx", "semantic.onnx"):
            made = ["export", "tmpose_tiny", "--mask", "semantic", "--ratios", "0.4", "--weights", "best.pt", "--out"]
            assert posebench(*made, name)[0] == 0
    if words[0] == "merge":
        for name, seed in (("a", 0), ("b", 1)):
            grid = ["--mask", "semantic", "--ratios", "0.4", "--seeds", seed, "--no-latency", *SHORTER["sweep"][:6]]
            assert posebench("sweep", *grid, "--out", f"runs/{name}")[0] == 0
    if "--out" in words and (out := place / words[words.index("--out") + 1]).exists() and words[0] != "sweep":
        shutil.rmtree(out) if out.is_dir() else out.unlink()
    code, _, error = posebench(*words)
    # Of models trained for one epoch nothing need qualify, and a check may fail: 1 is an answer of these commands.
    answers = (0, 1) if words[0] in ("choose", "check", "eval") else (0,)
    assert code in answers, f"{shlex.join(words)}\n{error[-600:]}"
