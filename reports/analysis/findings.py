"""All that a report tells, found in the rows of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from .agreement import Agreement
from .comparison import compare
from .elastic import Matrix, elastic_matrices
from .iso_flops import IsoFlopsPoint
from .parts import Parts
from .results import records_of, to_frame
from .subject import Subject
from .training_logs import TrainingLogs


@dataclass(frozen=True)
class Findings:
    """records: the rows of results.csv; subjects and matrices: what is compared in them; iso_flops: points of all
    models; logs: of their training; by_size, by_joint: accuracy of parts; agreements: which tokens masks keep."""

    records: Sequence[Mapping[str, Any]]
    subjects: Sequence[Subject]
    matrices: Sequence[Matrix] = ()
    iso_flops: Sequence[IsoFlopsPoint] = ()
    logs: TrainingLogs = field(default_factory=TrainingLogs)
    by_size: Parts = field(default_factory=Parts)
    by_joint: Parts = field(default_factory=Parts)
    agreements: Sequence[Agreement] = ()

    @property
    def iso_flops_by_model(self) -> dict[str, list[IsoFlopsPoint]]:
        """The points of each model."""
        models = dict.fromkeys(point.model for point in self.iso_flops)
        return {model: [point for point in self.iso_flops if point.model == model] for model in models}


def find(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]],
    margin: float | None = None,
    iso_flops: Sequence[IsoFlopsPoint] = (),
    logs: TrainingLogs | None = None,
    by_size: Parts | None = None,
    by_joint: Parts | None = None,
    agreements: Sequence[Agreement] = (),
) -> Findings:
    """The findings in rows of results.csv; `margin` as in `compare`. Raises InputError as `elastic_matrices` does."""
    frame = to_frame(rows)
    derived = logs or TrainingLogs(), by_size or Parts(), by_joint or Parts(), agreements
    return Findings(records_of(frame), compare(frame, margin), elastic_matrices(frame), iso_flops, *derived)
