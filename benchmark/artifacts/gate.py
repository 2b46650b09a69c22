"""Whether a file scores as the network that it was made from, on the same people, and where the two part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...pose.crops.dataset import IMAGENET_MEAN, IMAGENET_STD, PoseDataset
from ...pose.crops.person import DataSplit
from ...pose.evaluation.bootstrap import Evidence, bootstrap_ap, paired_bootstrap, score
from ...pose.evaluation.decode import convention_of, decode_to_image
from ...pose.evaluation.evaluate import evaluate
from ...pose.evaluation.flip import average_flipped
from ...pose.evaluation.sizes import evidence_by_size, size_text
from ...pose.models.model import PoseModel
from ..runtimes.prepared import TOLERANCE
from .export import Deployed
from .file_model import FileModel, SameSamples
from .layers import Layer, compare_layers
from .metadata import weights_digest

#: fewer people than this are shown, and not judged
FEWEST_JUDGED = 30
EXAMINED = 8  # people whose heatmaps are compared: those whose keypoints moved farthest
WITHIN, BEYOND, FEW = "within", "beyond", "too few"


@dataclass(frozen=True)
class Group:
    """Scores of the file and of eager on some of the people, and the difference, file minus eager, with its 95 %
    interval. verdict: "within" the margin, "beyond" it, or "too few" people."""

    people: str
    count: int
    score: float
    score_low: float
    score_high: float
    eager: float
    difference: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Stages:
    """Largest differences on the people that differ most: heatmaps of one image or, where the flip test asks, of its
    mirror image; of both averaged; and keypoints in image px."""

    heatmaps: float
    flipped: float
    keypoints: float


@dataclass(frozen=True)
class Gate:
    """What was found. groups: all people first. moved: people whose keypoints lie more than a pixel from eager's.
    contradictions: what the file says of itself and the network does not. layers: compared on the image whose
    heatmaps differ most, in eager's order; modules: how many eager has."""

    groups: list[Group]
    stages: Stages
    moved: int
    contradictions: list[str]
    layers: list[Layer]
    modules: int

    @property
    def passed(self) -> bool:
        return all(group.verdict != BEYOND for group in self.groups)

    @property
    def same(self) -> bool:
        """Whether the file computes what the network computes."""
        return self.stages.flipped <= TOLERANCE and not self.contradictions

    @property
    def first(self) -> Layer | None:
        """The first layer that differs."""
        return next((layer for layer in self.layers if layer.differs), None)

    def where(self) -> list[str]:
        """Sentences that name the place where the two part; none where they do not."""
        said = [f"its metadata contradict the network: {text}" for text in self.contradictions]
        if self.stages.heatmaps <= TOLERANCE:
            if self.stages.flipped > TOLERANCE:
                said.append("heatmaps of one image agree; they part at the flip, by the file's mirror pairs")
            elif self.moved:
                said.append("heatmaps agree; they part at the decoding")
            return said
        first = self.first
        seen = f"{len(self.layers)} of {self.modules} layers can be seen in the file"
        if first is not None:
            place = self.layers.index(first)
            before = f"up to {self.layers[place - 1].name} they agree" if place else "it is the first that can be seen"
            said.append(
                f"they part at {first.name}: up to {first.difference:.2g} apart, eager's largest value being "
                f"{first.largest:.2g}; {before} ({seen})"
            )
            if "mask" in first.name.split(" ")[0].split("."):
                said.append("that is the reduction: it leaves other tokens, by another tie rule or near ties, say")
        elif self.layers:
            last = self.layers[-1].name
            said.append(f"heatmaps differ, and no layer that can be seen does ({seen}): it is behind {last}")
        else:
            said.append("heatmaps differ; the file does not tell which of its values is which layer, so not where")
        return said


def run_gate(
    file: FileModel,
    eager: PoseModel,
    splits: tuple[DataSplit, DataSplit],
    *,
    margin: float,
    flip_test: bool = True,
    batch_size: int = 32,
    workers: int = 0,
    progress: Callable[..., None] | None = None,
) -> Gate:
    """Score both on the same people. splits: the people with the file's crops, and with eager's.

    margin: in the metric's unit, to both sides. A group is within it if the whole interval is.
    """
    eager.eval()
    same = SameSamples(eager, file.spec.batch)
    options: dict[str, Any] = {"flip_test": flip_test, "batch_size": batch_size, "workers": workers}
    options["as_published"] = eager.spec.as_published
    found = evaluate(file, splits[0], **options, progress=progress and _named(progress, "the file"))
    expected = evaluate(same, splits[1], **options, progress=progress and _named(progress, "eager"))
    groups = [_group("all", len(splits[0].people), found.evidence, expected.evidence, margin)]
    if isinstance(found.predictions, list) and isinstance(expected.predictions, list):
        for size, (a, b) in evidence_by_size(splits[0], [found.predictions, expected.predictions]):
            groups.append(_group(size_text(size), size.people, a, b, margin))
    distance = np.linalg.norm(found.keypoints[..., :2] - expected.keypoints[..., :2], axis=2).max(axis=1)
    return _examined(file, same, splits, groups, distance, flip_test)


def _named(progress: Callable[..., None], name: str) -> Callable[..., None]:
    return lambda done, total, **info: progress(done, total, stage=name, **info)


def _group(name: str, count: int, found: Evidence, expected: Evidence, margin: float) -> Group:
    low, high = bootstrap_ap(found)
    paired = paired_bootstrap(found, expected)
    inside = -margin <= paired.low and paired.high <= margin and abs(paired.difference) <= margin
    verdict = WITHIN if inside else FEW if count < FEWEST_JUDGED and name != "all" else BEYOND
    return Group(name, count, score(found), low, high, score(expected), *paired, verdict)


def _examined(
    file: FileModel,
    same: SameSamples,
    splits: tuple[DataSplit, DataSplit],
    groups: list[Group],
    distance: np.ndarray,
    flip_test: bool,
) -> Gate:
    worst = np.argsort(-distance, kind="stable")[:EXAMINED]
    sides: list[tuple[Any, DataSplit]] = [(file, splits[0]), (same, splits[1])]
    images, plain, averaged, points = [], [], [], []
    for model, split in sides:
        spec = model.spec
        people = [split.people[index] for index in worst]
        sizes = spec.input_size, spec.heatmap_size, spec.sigma
        crops = PoseDataset(people, spec.skeleton, *sizes, convention=convention_of(spec.convention))
        own = torch.stack([torch.as_tensor(crops[index]["image"]) for index in range(len(people))])
        images.append(torch.cat([own, own.flip(-1)]) if flip_test else own)
        with torch.no_grad():
            # One at a time: what a person's heatmaps are must not depend on who else is examined.
            plain.append(torch.cat([model(image[None]) for image in images[-1]]))
        upright, mirrored = plain[-1][: len(own)], plain[-1][len(own) :]
        averaged.append(average_flipped(upright, mirrored, spec.skeleton) if flip_test else upright)
        center, scale = np.array([p.center for p in people]), np.array([p.scale for p in people])
        points.append(decode_to_image(averaged[-1].numpy(), center, scale, spec.convention)[..., :2])
    apart = _apart(*plain)
    stages = Stages(
        float(apart.max(initial=0)),
        float(_apart(*averaged).max(initial=0)),
        float(np.linalg.norm(points[0] - points[1], axis=2).max(initial=0)),
    )
    contradictions = contradictions_of(file, same.model)
    layers: list[Layer] = []
    modules = 0
    if stages.heatmaps > TOLERANCE:
        chosen = slice(int(apart.argmax()), int(apart.argmax()) + 1)
        layers, modules = _layers(file, same.model, images[0][chosen], images[1][chosen])
    return Gate(groups, stages, int((distance > 1).sum()), contradictions, layers, modules)


def _layers(file: FileModel, eager: PoseModel, given: torch.Tensor, images: torch.Tensor) -> tuple[list[Layer], int]:
    """What `compare_layers` finds, and how many outputs eager's modules have. The file is given what it is deployed
    with."""
    deployed = Deployed(eager, file.spec.raw).eval()
    if file.spec.raw:
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        images = (255 * (images * std + mean)).round().clamp(0, 255).to(torch.uint8)
    return compare_layers(file.artifact, file.spec.layers, deployed, file.given(given), images)


def _apart(found: torch.Tensor, expected: torch.Tensor) -> np.ndarray:
    """(n,) the largest difference of each image's heatmaps; infinite where they have another shape."""
    if found.shape != expected.shape:
        return np.full(len(found), np.inf)
    return (found - expected).abs().flatten(1).amax(dim=1).nan_to_num(torch.inf).numpy()


def contradictions_of(file: FileModel, eager: PoseModel) -> list[str]:
    """What the file says of itself that is not so of the network."""
    spec, own = file.spec, eager.spec
    pairs = {
        "keypoints": (list(spec.skeleton.keypoints), list(own.skeleton.keypoints)),
        "mirror pairs": (_sorted(spec.skeleton.flip_pairs), _sorted(own.skeleton.flip_pairs)),
        "input size": (spec.input_size, own.input_size),
        "heatmap size": (spec.heatmap_size, own.heatmap_size),
        "decoding": (spec.decode, own.convention),
        "mean": (spec.mean, tuple(IMAGENET_MEAN.tolist())),
        "std": (spec.std, tuple(IMAGENET_STD.tolist())),
        "mask": (f"{spec.mask} {spec.mask_ratio:g}", f"{own.mask} {own.mask_ratio:g}"),
    }
    said = [
        f"{name} {_short(here)}, the network's is {_short(there)}"
        for name, (here, there) in pairs.items()
        if here != there
    ]
    if spec.weights is not None and spec.weights != weights_digest(eager):
        said.append("it was made from other weights")
    return said


def _sorted(pairs: Any) -> list[tuple[int, ...]]:
    return sorted(tuple(sorted(pair)) for pair in pairs)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
