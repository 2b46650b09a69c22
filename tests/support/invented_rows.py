"""Invented but plausible results: the embedded model's counts in closed form, accuracies near a prototype's."""

from __future__ import annotations

import math
from typing import Any

TOKENS, JOINTS, DIM, BLOCKS, PATCH, MAP = 48, 17, 96, 4, 432, 432
BACKBONE = 24_000_000
SEMANTIC = {0.2: 0.658, 0.4: 0.638, 0.6: 0.604, 0.8: 0.516}
OTHERS = {
    "scorer": {0.2: 0.667, 0.4: 0.653, 0.6: 0.635, 0.8: 0.538},
    "norm": {0.2: 0.660, 0.4: 0.641, 0.6: 0.587, 0.8: 0.445},
    "uniform": {0.2: 0.653, 0.4: 0.622, 0.6: 0.585, 0.8: 0.306},
    "random": {0.2: 0.607, 0.4: 0.546, 0.6: 0.426, 0.8: 0.275},
    "block": {0.2: 0.527, 0.4: 0.386, 0.6: 0.232, 0.8: 0.103},
}
INSIDE = ("prune", "tome", "evit", "pitome", "tofu", "dpcknn", "ats", "dynamicvit", "centre", "prior")
#: with these there are sixteen
MORE = {
    mask: {ratio: 0.672 - 0.02 * (number + 1) * ratio - 0.1 * ratio**2 for ratio in SEMANTIC}
    for number, mask in enumerate(INSIDE)
}
ACCURACY = {"semantic": SEMANTIC, **OTHERS, **MORE}


def exact_macs(kept: int) -> int:
    """Multiply-adds of the transformer part with `kept` of 48 visual tokens."""
    n = JOINTS + kept
    return TOKENS * PATCH * DIM + BLOCKS * (4 * n * DIM**2 + 2 * n**2 * DIM + 4 * n * DIM**2) + JOINTS * DIM * MAP


def published_gflops_t(kept: int) -> float:
    """The published counter: a linear layer counts tokens x tokens x outputs, attention products nothing."""
    n = JOINTS + kept
    return (TOKENS**2 * DIM + BLOCKS * n**2 * (3 + 1 + 2 + 1) * DIM + JOINTS**2 * MAP) / 1024**3


def one_row(mask: str = "none", ratio: float = 0.0, seed: int = 0, batch_size: int = 1, **changes: Any) -> dict:
    """One complete row; keyword arguments replace or add columns."""
    kept = max(1, math.floor((1 - ratio) * TOKENS + 1e-6))
    wobble = 0.003 * (seed - 1) + 0.0007 * len(mask)
    ap = (0.676 if mask == "none" else ACCURACY[mask][ratio]) + wobble
    transformer = exact_macs(kept) + (JOINTS * TOKENS * DIM * 2 if mask == "semantic" else 0)
    speed = 1.0 + 0.01 * seed
    t_ms = (0.55 + 1.4 * kept / TOKENS * batch_size) * speed
    row = dict(
        schema_version=1, cell=f"{mask}-{ratio}-{seed}", status="ok", model="tmpose_tiny", dataset="coco",
        data_dir="/data/synth", input_size="96x72", mask=mask, mask_ratio=ratio, tokens_total=TOKENS,
        tokens_kept=kept, seed=seed, as_published=False, positions="gather", training="finetune", epochs=2,
        train_people=6000, eval_people=1000, boxes="gt", flip_test=True, params=497_000,
        macs=BACKBONE + transformer, macs_transformer=transformer, gflops=(BACKBONE + transformer) / 1e9,
        gflops_t=transformer / 1e9, gflops_backbone=BACKBONE / 1e9,
        published_gflops=BACKBONE / 1024**3 + published_gflops_t(kept), published_gflops_t=published_gflops_t(kept),
        ap=ap, ap_ci_low=ap - 0.021, ap_ci_high=ap + 0.019, ap50=min(1.0, ap + 0.24), ap75=ap + 0.02, ar=ap + 0.03,
        loss_final=1.93, latency_ms_median=t_ms + 1.3 * batch_size, latency_ms_iqr=0.08, latency_samples=80,
        latency_ms_p90=t_ms + 1.3 * batch_size + 0.11, latency_unstable=False, latency_transformer_ms_median=t_ms,
        latency_transformer_ms_iqr=0.05, latency_transformer_unstable=False, throughput_images_per_s=300.0,
        peak_memory_mib=11.5 + 4 * kept / TOKENS * batch_size, peak_rss_mib=402.0, train_seconds=21.4,
        eval_seconds=9.2, device="cpu", device_name="Xeon", dtype="float32", batch_size=batch_size, threads=1,
        amp=False, torch_version="2.13.0", python_version="3.11.9", posebench_version="0.1.0",
        git_revision="0a1b2c3", git_dirty=False, processor="Intel Xeon 2.1 GHz", platform="Linux 6.1",
        date_utc="2025-11-20T21:40:00Z", error=None,
    )  # fmt: skip
    if mask != "none":
        row.update(ap_diff=ap - 0.676, ap_diff_low=ap - 0.676 - 0.009, ap_diff_high=ap - 0.676 + 0.009)
        unmasked_ms = (0.55 + 1.4 * batch_size) * speed
        times = (("latency", t_ms + 1.3 * batch_size, unmasked_ms + 1.3 * batch_size),)
        for part, now, before in (*times, ("latency_transformer", t_ms, unmasked_ms)):
            for end, off in (("", 0.0), ("_low", -0.02), ("_high", 0.02)):
                row[f"{part}_vs_unmasked{end}"] = now / before + off
    return {**row, **changes}


def sweep_rows(masks=("semantic",), ratios=(0.2, 0.4, 0.6), seeds=(0, 1, 2), batch_sizes=(1,), **changes) -> list[dict]:
    """The rows of a whole sweep, its unmasked baseline first."""
    return [
        one_row(mask, ratio, seed, size, **changes)
        for mask, mask_ratios in [("none", (0.0,)), *((mask, ratios) for mask in masks)]
        for ratio in mask_ratios
        for seed in seeds
        for size in batch_sizes
    ]
