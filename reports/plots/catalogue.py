"""The plots of a report, in the order in which they are drawn."""

from __future__ import annotations

from . import (
    accuracy_at_iso_flops,
    accuracy_vs_gflops_t,
    accuracy_vs_latency,
    agreement,
    all_models,
    break_even,
    heat_map,
    image_cost,
    keep_maps,
    savings,
    training_curves,
    two_counts,
)
from .plot import Plot

PLOTS: tuple[Plot, ...] = (
    all_models.PLOT,
    accuracy_vs_gflops_t.PLOT,
    accuracy_vs_latency.PLOT,
    accuracy_at_iso_flops.PLOT,
    heat_map.PLOT,
    image_cost.PLOT,
    agreement.PLOT,
    keep_maps.MAPS,
    keep_maps.DIFFERENCES,
    savings.PLOT,
    break_even.PLOT,
    two_counts.PLOT,
    training_curves.PLOT,
)
