"""What an accuracy is called, in which unit it is, and how it is written: one metric for each kind of data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A score that stands for a data set.

    `column` is its name in results and evaluations, `name` that in prose, `unit` "0 to 1" or "%", `digits` the decimals
    shown to people, `full_scale` the highest score, in its unit.
    """

    column: str
    name: str
    description: str
    unit: str
    digits: int
    full_scale: float

    @property
    def axis(self) -> str:
        """The name with its unit: "AP (0 to 1)"."""
        return f"{self.name} ({self.unit})"

    @property
    def is_percent(self) -> bool:
        """Whether it is read with a sign of percent, and its differences in points."""
        return self.full_scale == 100

    def text(self, value: float) -> str:
        """An accuracy in its unit: "0.604", "88.12 %"."""
        return f"{value:.{self.digits}f}" + (" %" if self.is_percent else "")


AP = Metric("ap", "AP", "COCO keypoint average precision, mean over OKS 0.50 to 0.95", "0 to 1", 3, 1.0)
PCKH = Metric("pckh", "PCKh@0.5", "keypoints within 0.5 head sizes of the truth", "%", 2, 100.0)
METRICS = (AP, PCKH)
