"""Values of options that mean nothing, or would take all there is: one line that names the option."""

import re

import pytest
from hostile import cases

DIGITS = "9" * 5000
HUGE = "99999999999999999999"
WHOLE = ("-1", HUGE, DIGITS, "1.5", "nan", "inf", "1e3", "x", "٣x", " ", "0x10", "1,2")
REAL = ("-1", "nan", "inf", "-inf", "1e400", DIGITS, "x", "1,5", " ")
RATIOS = ("1", "1.0", "-0.1", "nan", "inf", "x", ",", "0.1,,0.2", "0.1,", "0.1 0.2", DIGITS, "0.1;0.2")
SIZES = (
    "256",
    "axb",
    "0x0",
    "-1x5",
    "256x",
    "x192",
    "256x192x3",
    "1e3x5",
    "²x²",
    f"{DIGITS}x1",
    "99999999x99999999",
    "100000x100000",
    "255x191",
    " ",
)
MASKS = (
    "all",
    "prune(",
    "prune)",
    "prune(layers=)",
    "prune(layers=x)",
    "prune(layers=99999999999999999999)",
    "prune(layers=-1)",
    "prune(keep_ratio=nan)",
    "prune(keep_ratio=-1)",
    "prune(keep_ratio=2)",
    "prune(colour=red)",
    "tome(r=-1)",
    "tome(r=1e9)",
    "tome(r=nan)",
    "prune(layers=1,layers=2)",
    "a:b:c",
    "no_module:mask",
    ":x",
    "x:",
    "none(r=1)",
    "../x:y",
    "m" * 100_000,
    "sparse(execution=exec)",
)


def options(command, table):
    return {
        f"{command[0]} {name} {value[:24]}": (command, name, value)
        for name, values in table.items()
        for value in values
    }


def but(values, *left_out):
    return [value for value in values if value not in left_out]


EVAL = options(
    ("eval",),
    {
        "--batch-size": ("0", *WHOLE),
        "--workers": ("-2", *WHOLE),
        "--threads": ("0", "100000000", *WHOLE),
        "--seed": WHOLE,
        "--ratio": ("1", *REAL),
        "--mask": MASKS,
        "--input-size": SIZES,
        "--device": ("tpu", "cuda:99", "cuda", "meta", "cpu:x", " "),
        "--model": (
            "resnet",
            "tmpose_tiny,tmpose_l",
            "no_module:build",
            "os:system",
            "m" * 100_000,
            " ",
            "tmpose_tiny:x",
        ),
        "--decode": ("best", " "),
        "--format": ("xml", " "),
        "--dataset": ("imagenet", "os:path", "no:X", "mpiii"),
        "--joint-mask": ("all", "skeleton"),
        "--decoder": ("deep", "simple"),
        "--position-type": ("spiral",),
        "--data": ("missing", "a\nb", "n" * 300, "n/" * 5000, "/dev/null", "/proc/self/mem"),
        "--boxes": ("missing.json", "/dev/zero", "n" * 300, "."),
        "--weights": ("missing.pt", "/dev/zero", "n" * 300, ".", "a\x1bb"),
    },
)
TRAIN = options(
    ("train", "--out", "run"),
    {
        "--epochs": ("0", *WHOLE),
        "--batch-size": ("0", *WHOLE),
        "--learning-rate": ("0", *REAL),
        "--clip-norm": ("0", *REAL),
        "--train-ratios": RATIOS,
        "--seed": ("9223372036854775808", *WHOLE),
        "--evaluate-every": WHOLE,
        "--workers": WHOLE,
        "--threads": ("0", "100000000", *WHOLE),
        "--devices": (",", "cpu,cuda:99", "0,0", "x", "-1"),
        "--train-split": ("none", "../val", " "),
        "--backbone-weights": ("missing.pt", "."),
    },
)
PROFILE = options(
    ("profile",),
    {
        "--batch-sizes": ("0", ",", "1,,2", "1000000000", *but(WHOLE, "1,2")),
        "--seconds": REAL,
        "--samples": ("0", *WHOLE),
        "--threads": ("0", "100000000", *WHOLE),
        "--ratios": RATIOS,
        "--mask": MASKS,
        "--input-size": but(SIZES, "255x191"),
        "--dtype": ("float8", "int8", " "),
        "--device": ("tpu", "cuda:99"),
        "--format": ("xml",),
        "--weights": ("missing.pt",),
    },
)
FLOPS = options(
    ("flops", "--model", "tmpose_tiny"),
    {
        "--ratios": RATIOS,
        "--input-size": SIZES,
        "--counters": ("abacus", ",", "posebench,,fvcore"),
        "--format": ("xml",),
        "--check": ("missing.json", "/dev/zero", "."),
    },
)
SWEEP = options(
    ("sweep", "--dry-run", "--profile-only"),
    {
        "--seeds": (",", "0,,1", *but(WHOLE, "1,2"), ",".join(map(str, range(300_000)))),
        "--ratios": RATIOS,
        "--mask": MASKS,
        "--model": (",", "resnet", "a,,b"),
        "--epochs": ("0", "99999999999999999999"),
        "--samples": ("0", *WHOLE),
        "--threads": WHOLE,
        "--jobs": ("0", *WHOLE),
        "--margin": REAL,
        "--executor-option": ("x", "=1", "a="),
        "--devices": ("0-1000000", "-1", "a"),
        "--budgets": ("0", "-1", "nan", "gflops:1", DIGITS),
    },
)
OTHERS = {
    **options(
        ("audit", "--no-latency"), {"--seconds": ("0", *REAL), "--format": ("xml",), "--threads": ("0", "100000000")}
    ),
    **options(
        ("data", "synth", "--out", "made"),
        {
            "--train": WHOLE,
            "--val": WHOLE,
            "--seed": WHOLE,
            "--jobs": ("0", "1000000", *WHOLE),
            "--layout": ("voc", " "),
        },
    ),
    **options(
        ("export", "tmpose_tiny", "--out", "a.pt2", "--runtime", "torch"),
        {"--ratios": RATIOS, "--seed": WHOLE, "--input-size": SIZES},
    ),
    **options(("report", "."), {"--margin": REAL}),
    **options(("models",), {"--dataset": ("imagenet", "os:path"), "--format": ("xml",)}),
}
TEXTS = {
    "--out": "out",
    "--mask": "mask",
    "--model": "model",
    "--weights": "weights",
    "--data": "data",
    "--save-results": "results",
}


@pytest.mark.parametrize("case", cases(EVAL | TRAIN | PROFILE | FLOPS | SWEEP | OTHERS, quick=40))
def test_an_option(case, sound, refused):
    command, name, value = case
    data = ("--data", sound / "coco") if command[0] in ("eval", "train") and name != "--data" else ()
    quiet = ("--quiet",) if command[0] in ("eval", "train", "profile", "sweep") else ()
    line = refused(*command, *data, *quiet, f"{name}={value}", naming=())
    about = re.findall("[a-z]{3,}", f"{name} {value[:100]}".replace("ratios", "ratio"))
    assert any(word in line for word in (*about, value.strip()[:12])), line


@pytest.mark.parametrize(
    "command", ("eval", "train", "profile", "flops", "sweep", "export", "report", "data synth", "weights convert")
)
def test_an_empty_value(command, refused):
    line = refused(*command.split(), "--out", "", naming=("--out", "is empty"))
    assert refused(*command.split(), "--out=", naming="is empty") == line
    refused(*command.split(), "", naming="an argument is empty")


BOXES = (
    "1,2,3",
    "1,2,3,4,5",
    "0,0,0,10",
    "0,0,-10,10",
    "nan,0,1,1",
    "0,0,inf,1",
    "a,b,c,d",
    ",,,",
    "0 0 1 1",
    f"{DIGITS},0,1,1",
)


@pytest.mark.parametrize("box", cases({box[:20]: box for box in BOXES}, quick=4))
def test_a_box(box, sound, refused):
    picture = next((sound / "coco/images/val2017").iterdir())
    refused("predict", picture, "--weights", sound / "tiny.pt", "--box", box, naming=())


@pytest.mark.parametrize("score", cases({score[:20]: score for score in REAL}, quick=4))
def test_a_least_score(score, sound, refused):
    picture = next((sound / "coco/images/val2017").iterdir())
    refused("predict", picture, "--weights", sound / "tiny.pt", f"--min-score={score}", naming="--min-score")


def test_what_there_is_not(refused):
    refused("trian", naming="trian")
    refused("eval", "--colour", "red", naming="--colour")
    refused("eval", "extra", naming="extra")
    refused("data", "erase", naming="erase")
    refused("predict", naming="images")
