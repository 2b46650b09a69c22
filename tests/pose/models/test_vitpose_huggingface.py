"""Hugging Face's port as a second witness, where it is installed: `make optional`."""

import numpy as np
import pytest
import torch

from posebench import load_vitpose, load_weights
from posebench.pose.models.zoo import create_model

try:
    import transformers
except ImportError:
    transformers = None
pytestmark = pytest.mark.optional


@pytest.fixture(autouse=True)
def port():
    """Theirs, or no test."""
    return pytest.importorskip("transformers", minversion="4.48")


def saved(folder, *, experts=1, **options):
    """A ViTPose-S of theirs with random weights, saved as they save it."""
    torch.manual_seed(0)
    backbone = transformers.VitPoseBackboneConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=12, out_indices=[12], num_experts=experts,
        part_features=96, layer_norm_eps=1e-6, initializer_range=0.1, image_size=options.pop("image_size", (256, 192)),
    )  # fmt: skip
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17, **options)
    model = transformers.VitPoseForPoseEstimation(config).eval()
    for name, value in model.named_parameters():
        if name.endswith(("position_embeddings", "conv.weight", "deconv1.weight", "deconv2.weight")):
            torch.nn.init.normal_(value, std=0.1)
    for name, value in model.named_buffers():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            value.normal_()
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((256, 192), {"use_simple_decoder": True}),
        ((256, 192), {"use_simple_decoder": False}),
        ((384, 288), {"use_simple_decoder": False, "image_size": (384, 288)}),
        ((192, 256), {"use_simple_decoder": True, "image_size": (192, 256)}),
        ((256, 192), {"use_simple_decoder": False, "experts": 6}),
    ],
)
@torch.inference_mode()
def test_saved_models_give_the_same_heatmaps(tmp_path, size, options):
    theirs = saved(tmp_path, **options)
    decoder = "simple" if options["use_simple_decoder"] else "classic"
    ours = load_weights(create_model("vitpose_s", decoder=decoder, input_size=size), tmp_path).eval()
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, *size), dtype=np.float32))
    experts = torch.zeros(2, dtype=torch.long) if "experts" in options else None
    expected = theirs(images, dataset_index=experts).heatmaps
    assert expected.std() > 0.1
    assert (ours(images) - expected).abs().max() < 5e-5 * expected.abs().max().clamp(min=1)
    if size != (192, 256):
        assert load_vitpose(tmp_path).spec == ours.spec
