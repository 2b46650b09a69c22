"""How fast the parts are, by pytest-benchmark: `make bench`. Nothing here asserts a time."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from posebench import create_model
from posebench.pose.crops.affine import crop_matrix, warp_crop
from posebench.pose.crops.augment import SYNTH_AUGMENTATION
from posebench.pose.crops.dataset import PoseDataset
from posebench.pose.crops.person import Person
from posebench.pose.datasets import find_dataset
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.evaluation.decode import decode
from posebench.pose.people.folder import load_people
from posebench.pose.reductions import find_reduction, reduction_names
from posebench.pose.synth.write import write_synthetic
from posebench.pose.training.recipe import TINY_RECIPE
from posebench.pose.training.trainer import Trainer

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


@pytest.mark.parametrize("people", [32, 500])
@pytest.mark.parametrize("method", ["dark", "udp", "hrnet"])
def test_decoding(benchmark, method, people):
    maps = np.random.default_rng(0).random((people, 17, 64, 48), dtype=np.float32)
    coordinates, _ = benchmark(decode, maps, method)
    assert coordinates.shape == (people, 17, 2)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    write_synthetic(folder, train=16, val=4, jobs=1)
    return load_people(folder, "train", input_size=(96, 72))


@pytest.mark.parametrize("augment", [None, SYNTH_AUGMENTATION], ids=["plain", "augmented"])
def test_loading_a_crop(benchmark, rendered, augment):
    data = PoseDataset(rendered.people, COCO, (96, 72), (24, 18), 1.25, augment=augment)
    assert benchmark(data.__getitem__, 3)["image"].shape == (3, 96, 72)


@pytest.mark.parametrize("image", ["read and warped", "plain", "augmented"])
def test_a_crop_of_a_photograph_beside_reading_and_warping_it_alone(benchmark, tmp_path, image):
    random, path = np.random.default_rng(0), tmp_path / "photograph.jpg"
    pixels = cv2.resize(random.integers(0, 255, (60, 80, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), pixels)
    center, scale = np.array([320.0, 240.0]), np.array([1.5, 2.0])
    joints = center + random.normal(0, 60, (17, 2))
    people = [Person(path, 0, 0, center, scale, joints, np.ones(17))]
    augment = find_dataset("coco").augment if image == "augmented" else None
    data = PoseDataset(people, COCO, (256, 192), (64, 48), 2.0, augment=augment)
    matrix = crop_matrix(center, scale, 0.0, (192, 256))
    if image == "read and warped":
        assert benchmark(lambda: warp_crop(cv2.imread(str(path)), matrix, (192, 256))).shape == (256, 192, 3)
    else:
        assert benchmark(data.__getitem__, 0)["image"].shape == (3, 256, 192)


@pytest.mark.parametrize("mask", ["none", "semantic"])
def test_a_training_step(benchmark, rendered, mask):
    with torch.inference_mode(False):
        model = create_model("tmpose_tiny", mask=mask, mask_ratio=0.4 if mask != "none" else None).train()
        trainer = Trainer(model, rendered, TINY_RECIPE, torch.device("cpu"))
        batch = next(trainer.batches.epoch(0))
        with trainer.layers():
            loss, *_ = benchmark(trainer.step, batch, 1e-5)
    assert loss.isfinite()
