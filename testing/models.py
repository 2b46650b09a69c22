"""What every model owes to those who call it, as checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ..benchmark.counting.flops import count_flops
from ..pose.models.model import PoseModel
from ..pose.models.weights import load_weights
from ..pose.models.zoo import create_model


@dataclass(frozen=True)
class ModelCase:
    """A model under test: its name and options of create_model."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def model(self, seed: int = 3) -> PoseModel:
        """It in evaluation mode, with weights of a seed."""
        torch.manual_seed(seed)
        return create_model(self.name, **self.options).eval()


def check_model(model: str | Callable[..., Any], **options: Any) -> None:
    """Run every check of MODEL_CHECKS on a model by name ("tmpose_tiny", "package.module:build") or its builder, made
    with `options` of create_model, and raise AssertionError saying which promise it breaks.

    Raises InputError where there is no such model.
    """
    case = model_case(model, **options)
    for check in MODEL_CHECKS:
        check(case)


def model_case(model: str | Callable[..., Any], **options: Any) -> ModelCase:
    """The case that the checks take."""
    name = model if isinstance(model, str) else f"{model.__module__}:{model.__qualname__}"
    return ModelCase(name, options)


def images_of(model: PoseModel, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (batch, 3, H, W) and sample ids."""
    generator = torch.Generator().manual_seed(2)
    return torch.randn(batch, 3, *model.spec.input_size, generator=generator), 7 * torch.arange(batch)


def heatmaps_have_the_size_that_it_says(case: ModelCase) -> None:
    """One finite map of `spec.heatmap_size` for each keypoint, for any number of images."""
    model = case.model()
    for batch in (1, 3):
        with torch.no_grad():
            heatmaps = model(*images_of(model, batch))
        wanted = (batch, model.spec.num_keypoints, *model.spec.heatmap_size)
        assert heatmaps.shape == wanted, f"heatmaps of shape {tuple(heatmaps.shape)}, not {wanted}"
        assert heatmaps.isfinite().all(), "heatmaps hold NaN or infinity"


def treats_each_sample_alone(case: ModelCase) -> None:
    """In evaluation an image's heatmaps do not depend on the others in its batch, and repeat."""
    model = case.model()
    images, ids = images_of(model)
    with torch.no_grad():
        together, again = model(images, ids), model(images, ids)
        assert torch.equal(together, again), "two evaluations of the same images differ"
        scale = together.abs().max()
        for row in range(len(images)):
            alone = model(images[row : row + 1], ids[row : row + 1])[0]
            assert (alone - together[row]).abs().max() <= 1e-4 * scale, "other heatmaps in another batch"


def gradients_reach_every_weight(case: ModelCase) -> None:
    """In training all weights that are to learn do."""
    model = case.model().train()
    heatmaps, state = model.run(*images_of(model, 2))
    losses = [loss(heatmaps.detach().abs()) for selected in state.selected for loss in selected.losses.values()]
    (heatmaps.square().mean() + sum(losses)).backward()
    still = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not still, f"no gradient for {', '.join(still)}"


def state_dict_says_all(case: ModelCase) -> None:
    """What is saved of one and loaded into another makes it the same, and its specification makes it again."""
    model, other = case.model(), case.model(seed=4)
    images, ids = images_of(model)
    load_weights(other, model.state_dict())
    with torch.no_grad():
        assert torch.equal(model(images, ids), other(images, ids)), "other heatmaps after its weights are loaded"
    assert create_model(**model.spec.create_arguments()).spec == model.spec, "made again it is another model"


def is_counted(case: ModelCase) -> None:
    """Every operator has a counting rule, the parts add up to the whole, and the transformer is all but the backbone
    and a decoder of dense features."""
    count = count_flops(case.name, **case.options)
    assert count.macs > 0
    parts = sum(count.parts.values())
    assert parts == count.macs, f"the parts come to {parts} multiply-adds and the whole to {count.macs}"
    behind = count.macs - count.parts.get("backbone", 0) - count.parts.get("decoder", 0)
    assert count.macs_transformer == behind, f"the transformer has {count.macs_transformer} multiply-adds, not {behind}"


def transformer_is_all_behind_the_backbone(case: ModelCase) -> None:
    """Backbone, transformer and the decoder, if there is one, one after another are the model."""
    model = case.model()
    images, ids = images_of(model)
    with torch.no_grad():
        output = model.transformer(model.backbone(images), ids)
        decoder = getattr(model, "decoder", None)
        output = output if decoder is None else decoder(output)
        assert torch.equal(output, model(images, ids)), "the model does more than backbone and transformer"


MODEL_CHECKS: tuple[Callable[[ModelCase], None], ...] = (
    heatmaps_have_the_size_that_it_says,
    treats_each_sample_alone,
    gradients_reach_every_weight,
    state_dict_says_all,
    is_counted,
    transformer_is_all_behind_the_backbone,
)
