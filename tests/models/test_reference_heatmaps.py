"""With the reference's weights and input, the models give the reference's heatmaps."""

import json

import numpy as np
import pytest
import torch
from oracle import ORACLE, needs_oracle
from weight_recipe import made_up_images, reference_state_dict

from posebench import create_model, load_weights

FILES = {
    "heatmaps_tokenpose_s_v1_seed0.npz": ("tokenpose_s_v1", None),
    "heatmaps_tokenpose_b_seed0.npz": ("tokenpose_b", None),
    "heatmaps_tokenpose_l_d24_seed0.npz": ("tokenpose_l_d24", None),
    "heatmaps_tmpose_b_keep0.6_seed0.npz": ("tmpose_b", 0.4),
    "heatmaps_tmpose_l_d24_keep0.6_seed0.npz": ("tmpose_l", 0.4),
}


@needs_oracle
@pytest.mark.parametrize("file", FILES)
def test_heatmaps_equal_the_references(file):
    name, ratio = FILES[file]
    expected = np.load(ORACLE / file)
    options = {"mask": "uniform", "mask_ratio": ratio, "positions": "prefix"} if ratio else {}
    model = create_model(name, **options)
    load_weights(model, {"state_dict": {f"module.{k}": v for k, v in reference_state_dict(model).items()}})
    model.eval()
    images = made_up_images(int(expected["input_seed"]), *model.spec.input_size)
    with torch.inference_mode():
        heatmaps = model(images).numpy()
        if ratio:
            assert model.kept_indices(images)[0].tolist() == expected["kept_indices"].tolist()
    assert np.abs(heatmaps - expected["heatmaps"]).max() < 5e-5


@needs_oracle
@pytest.mark.parametrize(
    ("keys", "name", "options"),
    [
        ("tokenpose_t", "tokenpose_t", {}),
        ("tokenpose_s_v1", "tokenpose_s_v1", {}),
        ("tokenpose_s_v2", "tokenpose_s_v2", {}),
        ("tokenpose_b", "tokenpose_b", {}),
        ("tokenpose_l_d6_mpii", "tokenpose_l_d6", {"dataset": "mpii"}),
        ("tokenpose_l_d24", "tokenpose_l_d24", {}),
        ("tokenpose_l_d24_384x288", "tokenpose_l_d24", {"input_size": (384, 288)}),
        ("tmpose_b", "tmpose_b", {}),
        ("tmpose_l_d6", "tmpose_l_d6", {}),
        ("tmpose_l_d24", "tmpose_l", {}),
        ("tmpose_l_mpii", "tmpose_l_d6", {"dataset": "mpii"}),
        ("sparsity_s_mpii", "sparse_tokenpose_s", {"dataset": "mpii"}),
    ],
)
def test_state_dicts_have_the_references_names_and_shapes(keys, name, options):
    from posebench.pose.models.weights import reference_name

    expected = {k: list(v) for k, v in json.loads((ORACLE / "keys" / f"{keys}.json").read_text()).items()}
    # Of Sparsity's two norms that are never used there is nothing here; its joint mask has a batch dimension.
    unused = [k for k in expected if k.startswith(("features.transformer.norm", "features.joint_transformer.norm"))]
    expected = {k: v[-2:] if k.endswith("joint_mask") else v for k, v in expected.items() if k not in unused}
    assert len(unused) == (4 if name == "sparse_tokenpose_s" else 0)
    with torch.device("meta"):
        model = create_model(name, **options)
    assert {reference_name(k, model): list(v.shape) for k, v in model.state_dict().items()} == expected
