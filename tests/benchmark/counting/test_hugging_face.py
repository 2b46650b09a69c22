"""Counts of Hugging Face's models, made from a configuration without any download. Run with `make optional`."""

import copy

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from posebench import count_flops

pytestmark = pytest.mark.optional


def vitpose(transformers):
    backbone = transformers.VitPoseBackboneConfig(
        image_size=(256, 192), patch_size=(16, 16), hidden_size=96, num_hidden_layers=3, num_attention_heads=4
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17)
    return transformers.VitPoseForPoseEstimation(config), torch.zeros(1, 3, 256, 192)


def siglip(transformers):
    config = transformers.SiglipVisionConfig(
        hidden_size=96, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4, image_size=64
    )
    return transformers.SiglipVisionModel(config), torch.zeros(2, 3, 64, 64)


def swin(transformers):
    config = transformers.SwinConfig(image_size=64, embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=4)
    return transformers.SwinModel(config), torch.zeros(2, 3, 64, 64)


@pytest.mark.parametrize("make", [vitpose, siglip, swin])
def test_a_model_of_hugging_face_counts_as_by_torch(make):
    model, images = make(pytest.importorskip("transformers"))
    twin = copy.deepcopy(model).eval().requires_grad_(False).to("meta")
    with FlopCounterMode(display=False) as torchs, torch.no_grad():
        twin(images.to("meta"))
    assert 2 * count_flops(model, images).macs == torchs.get_total_flops() > 0
