"""Folders of runs and sweeps that are broken, or of other versions, and modules of users that are none."""

import json

import pytest
import torch
from hostile import cases

SWEEP = {"format": "posebench-sweep", "version": 2, "asked": {}, "cells": [], "bases": {}}
NO_MANIFEST = {
    "empty": b"",
    "cut": b'{"format": "posebench-sweep", ',
    "list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "binary": bytes(range(256)),
    "digits": b'{"version": ' + b"9" * 5000 + b"}",
    "foreign": b"{}",
    "later": json.dumps(SWEEP | {"version": 99}).encode(),
    "older": json.dumps(SWEEP | {"version": 1}).encode(),
    "version text": json.dumps(SWEEP | {"version": "2"}).encode(),
    "cells text": json.dumps(SWEEP | {"cells": "x"}).encode(),
    "cells of numbers": json.dumps(SWEEP | {"cells": [1]}).encode(),
    "cells without keys": json.dumps(SWEEP | {"cells": [{"label": "a"}]}).encode(),
    "cells without labels": json.dumps(SWEEP | {"cells": [{"key": "a"}]}).encode(),
    "configs text": json.dumps(
        SWEEP | {"cells": [{"key": "a", "label": "tmpose_tiny unmasked seed 0", "config": "x"}]}
    ).encode(),
    "another sweep's": json.dumps(SWEEP | {"cells": [{"key": "a", "label": "b", "config": {}}]}).encode(),
    "bases list": json.dumps(
        SWEEP
        | {
            "cells": [
                {"key": "a", "label": "tmpose_tiny unmasked seed 0", "config": {"train": {"start": {"base": "x"}}}}
            ],
            "bases": [],
        }
    ).encode(),
    "key list": json.dumps(SWEEP | {"cells": [{"key": ["a"], "label": "a", "config": {}}]}).encode(),
}


@pytest.mark.parametrize("content", cases(NO_MANIFEST, quick=12))
def test_a_sweep_json(content, coco, sound, tmp_path, refused):
    out = tmp_path / "out"
    out.mkdir()
    (out / "sweep.json").write_bytes(content)
    sweep = (
        "sweep",
        "--data",
        coco,
        "--weights",
        sound / "tiny.pt",
        "--mask",
        "tome",
        "--ratios",
        "0.4",
        "--out",
        out,
        "--quiet",
    )
    refused(*sweep, naming=out)
    refused(*sweep, "--dry-run", naming=out)


def entries(**changes):
    def make(content):
        content |= {key: value for key, value in changes.items() if value is not ...}
        return {key: value for key, value in content.items() if changes.get(key) is not ...}

    return make


NO_CHECKPOINT = {
    "empty": b"",
    "text": b"no checkpoint",
    "zeros": bytes(5000),
    "pickle": b"cos\nsystem\n(S'touch executed'\ntR.",
    "bare": lambda c: c["model"],
    "list": lambda c: [1],
    "later": entries(version=99),
    "version text": entries(version="1"),
    "no model": entries(model=...),
    "no config": entries(config=...),
    "no recipe": entries(recipe=...),
    "no epoch": entries(epoch=...),
    "other model": lambda c: c | {"config": c["config"] | {"name": "tmpose_b"}},
    "config text": entries(config="x"),
    "recipe text": entries(recipe="x"),
    "epoch text": entries(epoch="one"),
    "epoch below 0": entries(epoch=-1),
    "epoch huge": entries(epoch=10**30),
    "epoch list": entries(epoch=[1]),
    "history text": entries(history="x"),
    "history of numbers": entries(history=[1]),
    "no optimizer": entries(optimizer=...),
    "optimizer text": entries(optimizer="x"),
    "optimizer of nothing": entries(optimizer={}),
    "model text": entries(model="x"),
    "model of nothing": entries(model={}),
    "no history": entries(history=...),
    "model meta": lambda c: c | {"model": {k: v.to("meta") for k, v in c["model"].items()}},
    "model complex": lambda c: (
        c | {"model": {k: v.to(torch.complex64) if v.is_floating_point() else v for k, v in c["model"].items()}}
    ),
    "cut": lambda c: ...,
}


@pytest.fixture(scope="session")
def trained(sound, tmp_path_factory):
    """The folder of a run of one epoch on the four people."""
    import sys

    from posebench.cli import main

    folder = tmp_path_factory.mktemp("trained") / "run"
    before = sys.argv
    sys.argv = ["posebench", *_train(sound, folder)]
    main()
    sys.argv = before
    return folder


def _train(sound, out):
    options = "--train-split val --epochs 1 --evaluate-every 0 --quiet --model tmpose_tiny --mask none"
    return ["train", "--data", str(sound / "coco"), *options.split(), "--out", str(out)]


@pytest.mark.parametrize("make", cases(NO_CHECKPOINT, quick=12))
def test_a_checkpoint_to_resume_from(make, sound, trained, tmp_path, refused):
    out = tmp_path / "run"
    out.mkdir()
    whole = (trained / "last.pt").read_bytes()
    if isinstance(make, bytes):
        (out / "last.pt").write_bytes(make)
    elif (content := make(torch.load(trained / "last.pt", weights_only=True))) is ...:
        (out / "last.pt").write_bytes(whole[: len(whole) // 2])
    else:
        torch.save(content, out / "last.pt")
    code, _, err = refused.run(*_train(sound, out), "--resume")
    last = err.splitlines()[-1]
    assert code == 2 and last.startswith("posebench: error: ") and "Traceback" not in err, err[-2000:]
    assert str(out / "last.pt") in last
    assert sorted(path.name for path in out.iterdir()) == ["last.pt"]
    assert not list(tmp_path.rglob("executed"))


MODULES = {
    "absent": None,
    "raises": "raise ValueError('no')",
    "exits": "raise SystemExit(0)",
    "syntax": "def (",
    "empty": "",
    "imports": "import nothing_of_that_name",
    "a number": "THING = 3",
    "none": "THING = None",
    "text": "THING = 'tome'",
    "a class": "class THING: pass",
    "binary": "\0",
    "tab": "if 1:\n\tx\n        y",
    "a function without arguments": "def THING(): pass",
}


@pytest.mark.parametrize("text", cases(MODULES, quick=8))
@pytest.mark.parametrize("option", ["--mask", "--model", "--dataset"])
def test_a_module_of_a_user_that_is_none(option, text, coco, tmp_path, refused, monkeypatch, request):
    import re

    module = "own_" + re.sub(r"\W", "_", request.node.callspec.id)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    if text is not None:
        (tmp_path / f"{module}.py").write_text(text)
    refused(
        "eval",
        "--data",
        coco,
        "--quiet",
        option,
        f"{module}:THING",
        *(("--ratio", 0.4) if option == "--mask" else ()),
        naming=module,
    )
