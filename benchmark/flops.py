"""The FLOP columns of a model: exact multiply-adds by part first, the published convention beside them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..pose.models.architectures import MODELS
from ..pose.models.model import PoseModel
from ..pose.models.zoo import create_model, resolve_name
from .macs import MacAnalysis, evaluation_mode
from .needed import masked_macs
from .published import GIGA, published_macs

PARTS = ("backbone", "patch_embedding", "mask_scoring", "blocks", "joint_blocks", "head", "decoder")


@dataclass(frozen=True)
class FlopCount:
    """Counts at batch size 1. MACs are multiply-adds, one fused multiply-add counted once.

    parts: MACs by part of the model; operators: by kind of operator; macs_transformer: everything behind the
    backbone's feature map, choosing the tokens included (None for a module that is none of posebench's models).
    All of these are executed; macs_masked of them belong to connections that a mask cuts: the rest would be needed.
    published_*: the papers' counter, in units of 1024^3.
    """

    params: int
    macs: int
    parts: Mapping[str, int]
    operators: Mapping[str, int]
    macs_transformer: int | None
    published_gflops: float
    published_gflops_t: float | None
    macs_masked: int = 0

    @property
    def gflops(self) -> float:
        """1e9 multiply-adds."""
        return self.macs / 1e9

    @property
    def gflops_t(self) -> float | None:
        """GFLOPsT: 1e9 multiply-adds behind the backbone's feature map."""
        return None if self.macs_transformer is None else self.macs_transformer / 1e9

    @property
    def gflops_needed(self) -> float:
        """1e9 multiply-adds without those of cut connections."""
        return (self.macs - self.macs_masked) / 1e9

    @property
    def gflops_t_needed(self) -> float | None:
        """GFLOPsT without the multiply-adds of cut connections."""
        return None if self.macs_transformer is None else (self.macs_transformer - self.macs_masked) / 1e9


def count_flops(model: str | nn.Module, inputs: tuple[Any, ...] | None = None, **options: Any) -> FlopCount:
    """Count a model's parameters and multiply-adds, batch size 1.

    Args:
        model: a name of the zoo, with `options` for `create_model`; or any nn.Module.
        inputs: example inputs of batch size 1; not needed for posebench's models.

    Raises:
        InputError: unknown name or option.
        UncountedOperatorError: the model runs an operator that has no counting rule.
    """
    if isinstance(model, str):
        model = untrained_model(model, **options)
    if inputs is None:
        if not isinstance(model, PoseModel):
            raise TypeError(
                f"count_flops({type(model).__name__}): give example inputs, such as (torch.zeros(1, 3, 256, 192),)"
            )
        device = next(model.parameters()).device
        inputs = (torch.zeros(1, 3, *model.spec.input_size, device=device),)
    scopes = getattr(model, "parts", None) or {name: name for name, _ in model.named_children()}
    if isinstance(model, PoseModel) and not model.transformer.shape.joint_blocks:
        scopes = {part: scope for part, scope in scopes.items() if part != "joint_blocks"}
    with evaluation_mode(model), _one_thread():
        analysis = MacAnalysis(model, inputs)
        by_module = analysis.by_module()
        operators = dict(analysis.by_operator())
        total = int(analysis.total())
        published = published_macs(model, inputs)
        whole_is_ours = isinstance(model, PoseModel)
        may_cut = not whole_is_ours or model.transformer.shape.joint_blocks or not model.transformer.schedule.removes
        masked = masked_macs(model, inputs) if may_cut else 0
    return FlopCount(
        params=sum(p.numel() for p in model.parameters()),
        macs=total,
        parts={part: int(by_module.get(scope, 0)) for part, scope in scopes.items()},
        operators={name: int(count) for name, count in operators.items() if count},
        macs_transformer=int(by_module["transformer"]) if whole_is_ours else None,
        published_gflops=published.get("", 0) / GIGA,
        published_gflops_t=published.get("transformer", 0) / GIGA if whole_is_ours else None,
        macs_masked=masked,
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Counting runs the model once or twice for its shapes; threads gain nothing, and crawl on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def untrained_model(name: str, **options: Any) -> PoseModel:
    """A model of the zoo for counting, where values do not matter; the global random state stays as it was.

    ViTPose, of up to 637 million parameters, has memory for them, but nothing written there.
    """
    if MODELS[resolve_name(name)].decoder:
        with torch.device("meta"):
            model = create_model(name, **options)
        return model.to_empty(device="cpu").eval()
    with torch.random.fork_rng(devices=[]):
        return create_model(name, **options).eval()


def flops_row(model: PoseModel | str, **options: Any) -> dict[str, Any]:
    """The FLOP columns of a results row, for a model or a name with `create_model`'s options."""
    if isinstance(model, str):
        model = untrained_model(model, **options)
    count = count_flops(model)
    spec, mask = model.spec, model.transformer.mask
    schedule = model.transformer.schedule  # of the ratio that is set now
    return {
        "model": spec.name,
        "dataset": spec.dataset,
        "input_size": "x".join(map(str, spec.input_size)),
        "mask": spec.mask,
        "mask_ratio": mask.ratio if mask is not None else 0.0,
        "positions": spec.positions,
        "as_published": spec.as_published,
        "tokens_total": spec.tokens_total,
        "tokens_kept": schedule.last if schedule.removes else spec.tokens_total,
        "mask_ratio_mean": round(1 - schedule.mean_left / spec.tokens_total, 6),
        "params": count.params,
        "macs": count.macs,
        "macs_transformer": count.macs_transformer,
        "gflops": count.gflops,
        "gflops_t": count.gflops_t,
        **{f"gflops_{part}": count.parts[part] / 1e9 for part in PARTS if part in count.parts},
        **_needed(count, spec.execution),
        **({"decoder": spec.decoder} if spec.decoder else {}),
        "published_gflops": round(count.published_gflops, 6),
        "published_gflops_t": round(count.published_gflops_t, 6),
        "parts": dict(count.parts),
    }


def _needed(count: FlopCount, execution: str) -> dict[str, Any]:
    """The columns of a model that cuts connections: what non-zero ones alone would need."""
    if not count.macs_masked and execution == "dense":
        return {}
    return {
        "execution": execution,
        "macs_needed": count.macs - count.macs_masked,
        "gflops_needed": count.gflops_needed,
        "gflops_t_needed": count.gflops_t_needed,
    }
