"""With the reference's weights and input, the models give the reference's heatmaps."""

import numpy as np
import pytest
import torch
from reference import arrays, state_dict_shapes
from weight_recipe import made_up_images, reference_state_dict

from posebench import create_model, load_weights

UNIFORM = {"mask": "uniform", "mask_ratio": 0.4, "positions": "prefix"}
MODELS = {"tokenpose_s_v1": {}, "tokenpose_b": {}, "tokenpose_l_d24": {}, "tmpose_b": UNIFORM, "tmpose_l": UNIFORM}


@pytest.mark.parametrize("name", MODELS)
def test_heatmaps_equal_the_references(name):
    expected = arrays("heatmaps")
    model = create_model(name, **MODELS[name])
    load_weights(model, {"state_dict": {f"module.{k}": v for k, v in reference_state_dict(model).items()}})
    model.eval()
    images = made_up_images(0, *model.spec.input_size)
    with torch.inference_mode():
        heatmaps = model(images).numpy()
        if MODELS[name]:
            assert model.kept_indices(images)[0].tolist() == expected[f"{name}__kept_indices"].tolist()
    sampled = heatmaps.ravel()[::7]  # other pixels of each joint's map: all places of the 64x48 grid come up
    assert np.abs(sampled - expected[f"{name}__heatmaps_every_7th"]).max() < 5e-5


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

    expected = state_dict_shapes(keys)
    # Of Sparsity's two norms that are never used there is nothing here; its joint mask has a batch dimension.
    unused = [k for k in expected if k.startswith(("features.transformer.norm", "features.joint_transformer.norm"))]
    expected = {k: v[-2:] if k.endswith("joint_mask") else v for k, v in expected.items() if k not in unused}
    assert len(unused) == (4 if name == "sparse_tokenpose_s" else 0)
    with torch.device("meta"):
        model = create_model(name, **options)
    assert {reference_name(k, model): list(v.shape) for k, v in model.state_dict().items()} == expected
