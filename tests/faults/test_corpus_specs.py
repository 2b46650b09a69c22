"""Specifications of sweeps, claims and keypoints that are broken, or would grow: one line that names file and key."""

import pytest
from hostile import cases

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
KEYS = (
    "epochs",
    "data",
    "device",
    "input_size",
    "training",
    "latency",
    "models",
    "masks",
    "ratios",
    "seeds",
    "weights",
)
NO_YAML = {
    "aliases": ALIASES,
    **{f"aliases in {key}": f"{ALIASES}{key}: *a9" for key in KEYS},
    "alias of itself": "masks: &a [*a]",
    "anchor and alias": "ratios: &r [0.4]\nseeds: *r",
    "merge": "a: &a {mask: tome}\n<<: *a",
    "a key twice": "mask: tome\nmask: evit",
    "a key twice in a mapping": "weights: {tmpose_tiny: a.pt, tmpose_tiny: b.pt}",
    "python object": "mask: !!python/object/apply:os.system ['touch executed']",
    "python name": "mask: !!python/name:os.system",
    "python module": "!!python/module:antigravity {}",
    "python new": "!!python/object/new:os.system ['touch executed']",
    "own tag": "mask: !mask tome",
    "set": "mask: !!set {tome}",
    "binary": "mask: !!binary aGVsbG8=",
    "deep lists": "mask: " + "[" * 30_000,
    "deep mappings": "{a: " * 20_000,
    "tab": "mask:\n\t- tome",
    "cut": "mask: [tome, ",
    "two documents": "mask: tome\n---\nmask: evit",
    "list": "- mask: tome",
    "text": "mask",
    "number": "3",
    "digits": "epochs: " + "9" * 6000,
    "sexagesimal date": "epochs: 2001-99-99",
    "control": "mask: \x00tome",
    "too large": "#" * 100_001,
    "colon": "mask: a: b",
    "quote": "mask: 'tome",
    "percent": "%YAML 9.9\n---\nmask: tome",
    "brace": "}",
    "bytes": b"\xff\xfe\x00m",
    "utf-32": "mask: tome".encode("utf-32"),
}
SPECS = {
    "a key that there is not": ("colour: red", "colour"),
    "a key of numbers": ("3: red", "3"),
    "a key of lists": ("? [a, b]\n: red", "a"),
    "two names of one": ("mask: tome\nmasks: evit", "masks"),
    "model list in list": ("models: [[tmpose_tiny]]", "models"),
    "model mapping": ("models: {a: b}", "models"),
    "model of numbers": ("models: 7", "models"),
    "model null in list": ("models: [null]", "models"),
    "unknown model": ("models: tmpose_huge", "models"),
    "mask of numbers": ("masks: [1]", "masks"),
    "unknown mask": ("masks: [all]", "masks"),
    "mask that calls": ("masks: 'prune(__import__(1))'", "masks"),
    "ratio of 1": ("ratios: [1.0]", "ratios"),
    "ratio nan": ("ratios: [.nan]", "ratios"),
    "ratio infinite": ("ratios: [.inf]", "ratios"),
    "ratio text": ("ratios: [half]", "ratios"),
    "ratio flag": ("ratios: [true]", "ratios"),
    "ratio list": ("ratios: [[0.4]]", "ratios"),
    "ratio below 0": ("ratios: [-0.1]", "ratios"),
    "ratios empty": ("ratios: []", "ratios"),
    "ratio gap": ("ratios: '0.1,,0.2'", "ratios"),
    "ratio digits": ("ratios: ['" + "9" * 5000 + "']", "ratios"),
    "seed of 4000 digits": ("seeds: [" + "9" * 4000 + "]", "seeds"),
    "seed below 0": ("seeds: [-1]", "seeds"),
    "seed fraction": ("seeds: [0.5]", "seeds"),
    "seed text": ("seeds: [one]", "seeds"),
    "seeds without end": ("seeds: [" + ",".join(map(str, range(15_000))) + "]", "seeds"),
    "seed flag": ("seeds: [true]", "seeds"),
    "epochs 0": ("epochs: 0", "epochs"),
    "epochs huge": ("epochs: 99999999999999999999", "epochs"),
    "epochs 1e9": ("epochs: 1000000000", "epochs"),
    "epochs fraction": ("epochs: 1.5", "epochs"),
    "epochs infinite": ("epochs: .inf", "epochs"),
    "epochs list": ("epochs: [1]", "epochs"),
    "epochs of 4000 digits": ("epochs: " + "9" * 4000, "epochs"),
    "threads huge": ("threads: 100000000", "threads"),
    "threads 0": ("threads: 0", "threads"),
    "jobs huge": ("jobs: 1000000000", "jobs"),
    "workers below 0": ("workers: -2", "workers"),
    "workers huge": ("workers: 1000000", "workers"),
    "batch sizes empty": ("batch_sizes: []", "batch_sizes"),
    "batch size 0": ("batch_sizes: [0]", "batch_sizes"),
    "batch size huge": ("batch_sizes: [1000000000]", "batch_sizes"),
    "samples 0": ("samples: 0", "samples"),
    "margin nan": ("margin: .nan", "margin"),
    "margin text": ("margin: wide", "margin"),
    "margin below 0": ("margin: -1", "margin"),
    "size one": ("input_size: 256", "input_size"),
    "size text": ("input_size: axb", "input_size"),
    "size 0": ("input_size: [0, 0]", "input_size"),
    "size three": ("input_size: [1, 2, 3]", "input_size"),
    "size digits": ("input_size: '" + "9" * 5000 + "x1'", "input_size"),
    "device": ("device: tpu", "device"),
    "device list": ("device: [cpu]", "device"),
    "device of a million": ("device: 'cuda:1000000'", "device"),
    "training": ("training: never", "training"),
    "training list": ("training: [scratch]", "training"),
    "latency text": ("latency: often", "latency"),
    "latency number": ("latency: 1", "latency"),
    "data list": ("data: [a]", "data"),
    "data nul": ('data: "a\\0b"', "data"),
    "data long": ("data: " + "a" * 300, "data"),
    "out empty": ("out: ''", "out"),
    "out list": ("out: [a]", "out"),
    "weights number": ("weights: 3", "weights"),
    "weights null": ("weights: [null]", "weights"),
    "weights of unknown": ("weights: {resnet: a.pt}", "weights"),
    "budget": ("budgets: [gflops:1]", "budgets"),
    "budget nan": ("budgets: [.nan]", "budgets"),
    "budget digits": ("budgets: ['" + "9" * 5000 + "']", "budgets"),
    "decoder": ("decoder: deep", "decoder"),
    "executor": ("executor: cloud", "executor"),
    "executor options": ("executor_options: 3", "executor_options"),
    "devices": ("devices: 0-999999", "devices"),
    "devices backwards": ("devices: 3-0", "devices"),
    "dataset": ("dataset: imagenet", "dataset"),
    "dataset list": ("dataset: [coco]", "dataset"),
    "boxes number": ("boxes: 3", "boxes"),
    "flip text": ("flip_test: maybe", "flip_test"),
}


@pytest.mark.parametrize("text", cases(NO_YAML))
def test_a_file_that_is_no_plain_yaml(text, coco, tmp_path, refused):
    content = text if isinstance(text, bytes) else text.encode()
    spec, claims, keypoints = tmp_path / "spec.yaml", tmp_path / "claims.yaml", coco / "annotations/keypoints.yaml"
    for path in (spec, claims, keypoints):
        path.write_bytes(content if path != claims or b"#" * 9 not in content else content * 11)
    refused("sweep", spec, "--dry-run", naming=(spec, "alias") if b"*a" in content or b"*r" in content else spec)
    refused("audit", "--no-latency", "--claims", claims, naming=claims)
    refused("eval", "--data", coco, "--quiet", naming=keypoints)
    assert not list(tmp_path.rglob("executed"))


@pytest.mark.parametrize("case", cases(SPECS))
def test_a_value_of_a_specification(case, coco, tmp_path, refused):
    text, key = case
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)
    data = () if key == "data" else ("--data", coco)
    refused("sweep", spec, *data, "--dry-run", naming=(spec, key))


GOOD = {
    "id": "'a'",
    "paper": "'A paper'",
    "source": "'table 1'",
    "statement": "'GFLOPs'",
    "quantity": "gflops",
    "model": "tmpose_tiny",
    "unit": "G",
    "published": "'1.0'",
}
CLAIMS = {
    "no list": "id: a",
    "numbers": "[1, 2]",
    "nulls": "[null]",
    "empty list": "[]",
    "lists": "[[a]]",
    "unknown key": {"colour": "red"},
    "key of numbers": {"3": "red"},
    "quantity": {"quantity": "weight"},
    "quantity list": {"quantity": "[a]"},
    "published text": {"published": "many"},
    "published digits": {"published": "'" + "9" * 6000 + "'"},
    "published nan": {"published": ".nan"},
    "published below 0": {"published": "'-1'"},
    "unit": {"unit": "parsec"},
    "size": {"input_size": "256"},
    "size digits": {"input_size": "9" * 5000 + "x1"},
    "size huge": {"input_size": "99999x99999"},
    "ratio": {"mask_ratio": "1.0"},
    "ratio nan": {"mask_ratio": ".nan"},
    "ratio alone": {"mask_ratio": "0.4"},
    "mask": {"mask": "all"},
    "mask list": {"mask": "[tome]"},
    "text of lines": {"paper": '"a\\nb"'},
    "text of escapes": {"paper": '"\\e[2J"'},
    "long text": {"paper": "a" * 500},
    "id list": {"id": "[1]"},
    "missing id": {"id": None},
    "missing model": {"model": None},
    "counter": {"counter": "abacus"},
    "data set": {"dataset": "imagenet"},
    "digits": {"figure_digits": "9" * 4000},
    "baseline number": {"baseline": "3"},
    "model number": {"model": "3"},
}


@pytest.mark.parametrize("wrong", cases(CLAIMS))
def test_a_claim(wrong, tmp_path, refused):
    file = tmp_path / "claims.yaml"
    text = wrong if isinstance(wrong, str) else "- " + "\n  ".join(f"{k}: {v}" for k, v in (GOOD | wrong).items() if v)
    file.write_text(text)
    refused("audit", "--no-latency", "--quiet", "--claims", file, naming=file)


KEYPOINTS = {
    "list": "[a]",
    "unknown key": "colour: red",
    "pairs text": "pairs: left",
    "pairs of unknown": "pairs: [[a, b]]",
    "pairs of one": "pairs: [[nose]]",
    "pairs of itself": "pairs: [[nose, nose]]",
    "pairs of lists": "pairs: [[[nose], nose]]",
    "sigmas text": "sigmas: wide",
    "sigmas 0": "sigmas: 0",
    "sigmas nan": "sigmas: .nan",
    "sigmas infinite": "sigmas: .inf",
    "sigmas below 0": "sigmas: -1",
    "sigmas of unknown": "sigmas: {knee: 1}",
    "sigmas short": "sigmas: [0.1]",
    "sigmas flag": "sigmas: true",
    "upper text": "upper_body: all",
    "upper of unknown": "upper_body: [elbows]",
    "upper of numbers": "upper_body: [1]",
    "crop": "crop: '9:16'",
    "crop number": "crop: 1",
    "crop list": "crop: [1, 1]",
    "sigmas digits": "sigmas: " + "9" * 4000,
}


@pytest.mark.parametrize("text", cases(KEYPOINTS))
def test_a_keypoints_yaml(text, coco, refused):
    file = coco / "annotations/keypoints.yaml"
    file.write_text(text)
    refused("eval", "--data", coco, "--quiet", naming="annotations")
