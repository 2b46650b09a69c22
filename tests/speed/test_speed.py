"""How fast the parts are, by pytest-benchmark: `make bench`. Nothing here asserts a time."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from posebench import create_model
from posebench.pose.crops.dataset import PoseDataset
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.evaluation.decode import decode
from posebench.pose.people.folder import load_people
from posebench.pose.reductions import find_reduction, reduction_names
from posebench.pose.synth.write import write_synthetic

pytestmark = pytest.mark.speed


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("mask", [n for n in reduction_names() if find_reduction(n).layers is None and n != "none"])
def test_choosing_tokens(benchmark, mask):
    model = create_model("tokenpose_b", mask=mask, mask_ratio=0.4).eval()
    t = model.transformer
    content = torch.randn(8, 256, 192)
    keypoints = t.keypoint_tokens.expand(8, -1, -1)
    kept = benchmark(t.mask, content + t.position_table, content, keypoints, t.stacks[0][0], None)
    assert kept.shape == (8, 153)


@pytest.mark.parametrize("tokens", [273, 170, 119])
def test_attention(benchmark, tokens):
    attention = create_model("tokenpose_b").transformer.stacks[0][0].attention.eval()
    assert benchmark(attention, torch.randn(8, tokens, 192))[0].shape == (8, tokens, 192)


@pytest.mark.parametrize("keep", [256, 180, 26, 5])
@pytest.mark.parametrize("way", ["masked", "gathered"])
def test_attention_over_connections(benchmark, way, keep):
    attention = create_model("tokenpose_b").transformer.stacks[0][0].attention.eval()
    x, connections = torch.randn(1, 273, 192), torch.rand(1, 256, 256).topk(keep, dim=2).indices
    if way == "gathered":
        mixed = benchmark(attention.over_connections, x, 17, connections)
    else:
        allowed = torch.zeros(1, 256, 256).scatter(2, connections, torch.ones(1, 256, 256)) > 0
        mixed = benchmark(attention, x, F.pad(allowed, (17, 0, 17, 0), value=True)[:, None])[0]
    assert mixed.shape == (1, 273, 192)


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.4, 0.6, 0.8])
def test_transformer(benchmark, ratio):
    model = create_model("tmpose_b", mask="random", mask_ratio=ratio).eval()
    assert benchmark(model.transformer, torch.randn(1, 32, 64, 48)).shape == (1, 17, 64, 48)


@pytest.mark.parametrize("ratio", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("mask", [n for n in reduction_names() if find_reduction(n).layers is not None])
def test_transformer_with_a_reduction(benchmark, mask, ratio):
    model = create_model("tmpose_b", mask=mask, mask_ratio=ratio).eval()
    assert benchmark(model.transformer, torch.randn(1, 32, 64, 48)).shape == (1, 17, 64, 48)


@pytest.mark.parametrize("method", ["dark", "hrnet"])
def test_decoding(benchmark, method):
    maps = np.random.default_rng(0).random((32, 17, 64, 48), dtype=np.float32)
    coordinates, _ = benchmark(decode, maps, method)
    assert coordinates.shape == (32, 17, 2)


def test_loading_a_crop(benchmark, tmp_path):
    write_synthetic(tmp_path / "set", train=16, val=4, jobs=1)
    people = load_people(tmp_path / "set", "train", input_size=(96, 72)).people
    data = PoseDataset(people, COCO, (96, 72), (24, 18), 1.25)
    assert benchmark(data.__getitem__, 3)["image"].shape == (3, 96, 72)
