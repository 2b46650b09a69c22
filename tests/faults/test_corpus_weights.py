"""Weights files that are cut, of other kinds, or of those who would run code: one line that names the file."""

import collections
import io
import json
import pickle
import struct
import sys
import zipfile

import pytest
import torch
from hostile import cases

from posebench import create_model

FIRST = "transformer.head.layers.1.weight"


class Runs:
    """Unpickled, it makes a file."""

    def __reduce__(self):
        return (open, ("executed", "w"))


def saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def state():
    return create_model("tmpose_tiny").state_dict()


def changed(change):
    """The state dict with one tensor made by `change`."""

    def make():
        tensors = state()
        name = FIRST if FIRST in tensors else next(name for name, t in tensors.items() if t.ndim == 2)
        tensors[name] = change(tensors[name])
        return saved(tensors)

    return make


def checkpoint(**changes):
    def make(sound):
        content = torch.load(sound / "tiny.pt", weights_only=True)
        content |= {key: value for key, value in changes.items() if value is not ...}
        for key, value in changes.items():
            if value is ...:
                del content[key]
        return saved(content)

    return make


def config(**changes):
    def make(sound):
        content = torch.load(sound / "tiny.pt", weights_only=True)
        content["config"] = content["config"] | changes
        return saved(content)

    return make


def cut(tenth, **options):
    def make():
        whole = saved(state(), **options)
        return whole[: len(whole) * tenth // 10]

    return make


def turned():
    whole = bytearray(saved(state()))
    for place in range(200, len(whole), len(whole) // 50):
        whole[place] ^= 0x55
    return bytes(whole)


def compressed():
    plain = zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(10_000_000)})))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in plain.infolist():
            archive.writestr(entry.filename, plain.read(entry))
    return buffer.getvalue()


def safetensors(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def scripted():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BROKEN = {
    **{f"cut {n}": cut(n) for n in range(10)},
    **{f"old format cut {n}": cut(n, _use_new_zipfile_serialization=False) for n in (1, 5, 9)},
    "bits turned": turned,
    "text": lambda: b"no weights",
    "html": lambda: b"<html>Sign in</html>",
    "zeros": lambda: bytes(10_000),
    "zip": lambda: b"PK\x05\x06" + bytes(18),
    "compressed": compressed,
    "lfs pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "pickle that runs": lambda: pickle.dumps(Runs()),
    "pickle that runs, protocol 0": lambda: pickle.dumps({"state_dict": Runs()}, 0),
    "runs inside": lambda: saved({"state_dict": state(), "args": Runs()}),
    "runs inside, old format": lambda: saved({"args": Runs()}, _use_new_zipfile_serialization=False),
    "system": lambda: b"cos\nsystem\n(S'touch executed'\ntR.",
    "a whole module": lambda: saved(torch.nn.Linear(2, 2)),
    "an optimizer": lambda: saved({"optimizer": torch.optim.SGD}),
    "a script": scripted,
    "numbers": lambda: saved([1, 2, 3]),
    "a tensor": lambda: saved(torch.zeros(3)),
    "nothing": lambda: saved({}),
    "none": lambda: saved(None),
    "text inside": lambda: saved({"a": "b"}),
    "number for name": lambda: saved({1: torch.zeros(2)}),
    "two state dicts": lambda: saved({"x": state(), "y": state()}),
    "wrapped without end": lambda: saved({"state_dict": {"state_dict": {"state_dict": {"state_dict": {"a": 1}}}}}),
    "twice under two names": lambda: saved({**state(), **{f"module.{k}": v for k, v in state().items()}}),
    "counter": lambda: saved(collections.Counter("abc")),
    "complex": changed(lambda t: t.to(torch.complex64)),
    "int8": changed(lambda t: t.to(torch.int8)),
    "int64": changed(lambda t: t.to(torch.int64)),
    "flags": changed(lambda t: t > 0),
    "meta": changed(lambda t: t.to("meta")),
    "sparse": changed(lambda t: t.to_sparse()),
    "sparse rows": changed(lambda t: t.to_sparse_csr()),
    "quantised": changed(lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8)),
    "another shape": changed(lambda t: t[:1]),
    "turned about": changed(lambda t: t.t()),
    "scalar": changed(lambda t: t.sum()),
    "huge, of one number": changed(lambda t: torch.zeros(1).expand(10**12)),
    "empty tensor": changed(lambda t: t[:0]),
    "one missing": lambda: saved(dict(list(state().items())[1:])),
    "one more": lambda: saved(state() | {"extra": torch.zeros(2)}),
    "a long name": lambda: saved(state() | {"n" * 100_000: torch.zeros(2)}),
    "a name of escapes": lambda: saved(state() | {"\x1b[2J\x07": torch.zeros(2)}),
    "another model's": lambda: saved(create_model("tmpose_tiny", dataset="mpii").state_dict()),
    "later version": checkpoint(version=99),
    "version of text": checkpoint(version="1"),
    "no config": checkpoint(config=...),
    "no recipe": checkpoint(recipe=...),
    "config of text": checkpoint(config="tmpose_tiny"),
    "config of nothing": checkpoint(config={}),
    "no model": checkpoint(model=...),
    "model of numbers": checkpoint(model={"a": 1}),
    "model of nothing": checkpoint(model={}),
    "unknown name": config(name="resnet50"),
    "name of numbers": config(name=7),
    "name of none": config(name=None),
    "name that would import": config(name="antigravity:build"),
    "unknown data set": config(dataset="imagenet"),
    "data set that would import": config(dataset="antigravity:X"),
    "size of text": config(input_size="big"),
    "size of zero": config(input_size=[0, 0]),
    "size of 2 billion": config(input_size=[2**31, 2**31]),
    "size below zero": config(input_size=[-256, 192]),
    "size of three": config(input_size=[1, 2, 3]),
    "unknown mask": config(mask="everything"),
    "mask of numbers": config(mask=3),
    "mask that would import": config(mask="antigravity:mask"),
    "ratio of 1": config(mask_ratio=1.0),
    "ratio of nan": config(mask_ratio=float("nan")),
    "ratio of text": config(mask_ratio="half"),
    "ratio below 0": config(mask_ratio=-0.5),
    "unknown key": config(colour="red"),
    "seed of text": config(seed="x"),
    "seed beyond 64 bit": config(seed=2**70),
    "positions of numbers": config(positions=5),
    "position type": config(position_type="spiral"),
}
SAFETENSORS = {
    "empty": b"",
    "short": b"\x08\0\0",
    "header beyond the file": struct.pack("<Q", 2**40) + b"{}",
    "huge header": struct.pack("<Q", 2**63) + b"{",
    "no json": safetensors(b"{nonsense"),
    "list": safetensors([1]),
    "deep": safetensors(b'{"a":' * 50_000),
    "offsets beyond": safetensors({"a": F32}),
    "offsets below": safetensors({"a": F32 | {"data_offsets": [8, 0]}}, bytes(8)),
    "shape lies": safetensors({"a": F32 | {"shape": [2**40]}}, bytes(8)),
    "shape overflows": safetensors({"a": F32 | {"shape": [2**33, 2**33]}}, bytes(8)),
    "unknown dtype": safetensors({"a": F32 | {"dtype": "X9"}}, bytes(8)),
    "no tensors": safetensors({}),
    "of another": safetensors({"a": F32}, bytes(8)),
    "overlap": safetensors({"a": F32, "b": F32}, bytes(8)),
    "rest": safetensors({"a": F32}, bytes(80)),
}


@pytest.mark.parametrize("make", cases(BROKEN))
def test_a_weights_file(make, sound, coco, tmp_path, refused):
    file = tmp_path / "given.pt"
    file.write_bytes(make(sound) if make.__code__.co_argcount else make())
    own = (
        ()
        if make in [BROKEN[name] for name in BROKEN if make.__qualname__.startswith(("checkpoint", "config"))]
        else ("--model", "tmpose_tiny")
    )
    refused("eval", "--data", coco, "--weights", file, *own, "--quiet", naming=file)
    picture = next((coco / "images/val2017").iterdir())
    refused("predict", picture, "--weights", file, *own, naming=file)
    if make is not BROKEN["mask that would import"]:  # a sweep brings masks of its own, and never looks for this one
        refused("sweep", "--data", coco, "--model", "tmpose_tiny", "--weights", file, "--dry-run", naming=file)
    refused("weights", "convert", file, *own, "--out", "new.pt", naming=file)
    assert "antigravity" not in sys.modules and not list(tmp_path.rglob("executed"))


@pytest.mark.parametrize("content", cases(SAFETENSORS, quick=8))
def test_a_safetensors_file(content, coco, tmp_path, refused):
    file = tmp_path / "given.safetensors"
    file.write_bytes(content)
    refused("eval", "--data", coco, "--weights", file, "--model", "tmpose_tiny", "--quiet", naming=file)
    if content != SAFETENSORS["of another"]:
        refused("weights", "inspect", file, naming=file)


HF = {
    "text": b"hello",
    "list": b"[]",
    "null": b"null",
    "numbers": b'{"backbone_config": 7}',
    "size": b'{"backbone_config": {"image_size": [0, "a"]}}',
    "patch": b'{"backbone_config": {"image_size": [256, 192], "patch_size": [0, 0]}}',
    "heads": b'{"backbone_config": {"num_attention_heads": -1}}',
    "digits": b'{"scale_factor": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 100_000,
    "binary": bytes(range(256)),
    "infinite": b'{"backbone_config": {"image_size": [Infinity, 1]}}',
}


@pytest.mark.parametrize("content", cases(HF, quick=8))
def test_a_config_json_beside_the_weights(content, coco, tmp_path, refused):
    folder = tmp_path / "vitpose"
    folder.mkdir()
    torch.save(create_model("vitpose_s", mask="none").state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_bytes(content)
    refused("eval", "--data", coco, "--weights", folder, "--model", "vitpose_s", "--quiet", naming="config.json")


@pytest.mark.parametrize("argument", ["name", "dataset", "mask"])
def test_no_module_that_a_checkpoint_names_is_imported_unless_the_user_names_it_too(argument, refused, sound, tmp_path):
    code, option = f"sent_{argument}:BUILD", {"name": "--model"}.get(argument, f"--{argument}")
    (tmp_path / f"sent_{argument}.py").write_text("open('imported', 'w').close()\nBUILD = None\n")
    (tmp_path / "w.pt").write_bytes(config(**{argument: code})(sound))
    for command in (f"eval --data {sound / 'coco'}", "profile", "predict a.jpg"):
        refused(*command.split(), "--weights", "w.pt", naming=["w.pt", f"({option} {code})"])
    assert not (tmp_path / "imported").exists()
    refused.run("eval", "--data", sound / "coco", "--weights", "w.pt", option, code)
    assert (tmp_path / "imported").exists(), "where the user wants it"
