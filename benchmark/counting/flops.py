"""The FLOP columns of a model: exact multiply-adds by part first, the published convention beside them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ...pose.errors import InputError
from ...pose.models.config import ModelConfig
from ...pose.models.model import PoseModel
from ...pose.models.zoo import create_model
from .bare import bare_model, lent_model
from .macs import MacCount, count_macs
from .needed import masked_macs
from .products import Rule, UncountedOperatorError
from .published import GIGA, published_layer_macs

PARTS = ("backbone", "patch_embedding", "mask_scoring", "blocks", "joint_blocks", "head", "decoder")


@dataclass(frozen=True)
class FlopCount:
    """Counts of one forward pass. MACs are multiply-adds, one fused multiply-add counted once.

    parts: MACs by part of the model; modules: by module name, children included; operators: by operator of torch;
    macs_transformer: everything behind the backbone's feature map, choosing the tokens included (None for a module that
    is none of posebench's models). All of these are executed; macs_masked of them belong to connections that a mask
    cuts: the rest would be needed. published_*: the papers' counter, in units of 1024^3, meant for batch size 1.
    input_shapes: what was counted. All counts are of the whole batch: of 4 samples, four times those of one.
    """

    params: int
    macs: int
    parts: Mapping[str, int]
    operators: Mapping[str, int]
    macs_transformer: int | None
    published_gflops: float
    published_gflops_t: float | None
    macs_masked: int = 0
    modules: Mapping[str, int] = field(default_factory=dict)
    input_shapes: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        shapes = ", ".join("x".join(map(str, shape)) for shape in self.input_shapes)
        return f"{self.gflops:.6g} GFLOPs (1e9 multiply-adds) and {self.params:,} parameters, for inputs of {shapes}"

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


def count_flops(
    model: str | nn.Module,
    inputs: torch.Tensor | tuple[Any, ...] | list[Any] | None = None,
    *,
    rules: Mapping[str, Rule] | None = None,
    **options: Any,
) -> FlopCount:
    """Count a model's parameters and the multiply-adds of one forward pass in evaluation mode.

    The module is not changed and nothing is computed, unless what it does depends on values: then it runs once.

    Args:
        model: a name of the zoo, with `options` for `create_model`; or any nn.Module.
        inputs: an example: a tensor, or a tuple of the module's arguments. Everything given is counted: a batch of 4
            has four times the multiply-adds of one sample. Not needed for posebench's models (one image).
        rules: for operators that posebench does not know: {"mylib::op": rule}, where rule(inputs, output) returns the
            multiply-adds from the operator's arguments (in the order of its schema) and its result. 0: it has none.

    Raises:
        InputError: unknown name or option.
        UncountedOperatorError: the model runs an operator that has no counting rule.
    """
    if isinstance(model, str):
        return _by_name(model, rules, options)[1]
    if inputs is None:
        inputs = example_inputs(model)
    if isinstance(inputs, torch.Tensor):
        inputs = (inputs,)
    if not isinstance(inputs, (tuple, list)):
        raise TypeError(f"count_flops: inputs are a tensor or a tuple of arguments, not {type(inputs).__name__}")
    with _one_thread():
        count = count_macs(model, tuple(inputs), rules, published_layer_macs)
    shapes = tuple(tuple(value.shape) for value in inputs if isinstance(value, torch.Tensor))
    return flop_count(model, count, shapes, sum(parameter.numel() for parameter in model.parameters()))


def _by_name(name: str, rules: Mapping[str, Rule] | None, options: Mapping[str, Any]) -> tuple[PoseModel, FlopCount]:
    """A model (only lent, see bare.py) and its count."""
    if rules is None:
        try:
            bare = lent_model(name, **options)
            image = (1, 3, *bare.model.spec.input_size)
            return bare.model, flop_count(bare.model, bare.count(), (image,), bare.params)
        except (InputError, UncountedOperatorError):
            raise
        except Exception:  # what it does depends on values, so they are needed
            pass
    with torch.random.fork_rng(devices=[]):
        model = create_model(name, **options)
    return model, count_flops(model, rules=rules)


def example_inputs(model: nn.Module) -> tuple[torch.Tensor]:
    """One image for a model of posebench's. TypeError for another module: only its user knows what it takes."""
    if not isinstance(model, PoseModel):
        raise TypeError(
            f"count_flops({type(model).__name__}): give an example input, such as torch.zeros(1, 3, 256, 192)"
        )
    parameter = next(model.parameters())
    return (torch.zeros(1, 3, *model.spec.input_size, dtype=parameter.dtype, device=parameter.device),)


def flop_count(model: nn.Module, count: MacCount, input_shapes: tuple[tuple[int, ...], ...], params: int) -> FlopCount:
    """The columns of what one run multiplied, on inputs of these shapes."""
    scopes = getattr(model, "parts", None) or {name: name for name, _ in model.named_children()}
    if isinstance(model, PoseModel) and not model.spec.joint_mask:
        scopes = {part: scope for part, scope in scopes.items() if part != "joint_blocks"}
    by_module, published = count.by_module(), count.layers_by_module()
    whole_is_ours = isinstance(model, PoseModel)
    parts = {part: by_module.get(scope, 0) for part, scope in scopes.items()}
    if whole_is_ours and "blocks" in parts:  # what is run between modules, such as gathered connections, is the blocks'
        placed = sum(parts[part] for part, scope in scopes.items() if scope.startswith("transformer."))
        parts["blocks"] += by_module.get("transformer", 0) - placed
    return FlopCount(
        params=params,
        macs=count.total(),
        parts=parts,
        operators={name: macs for name, macs in count.by_operator().items() if macs},
        macs_transformer=by_module.get("transformer", 0) if whole_is_ours else None,
        published_gflops=published.get("", 0) / GIGA,
        published_gflops_t=published.get("transformer", 0) / GIGA if whole_is_ours else None,
        macs_masked=masked_macs(model, input_shapes[0][0] if input_shapes and input_shapes[0] else 1),
        modules=by_module,
        input_shapes=input_shapes,
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """A module that must run for its count runs once; threads gain nothing, and crawl on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def untrained_model(name: str | ModelConfig, **options: Any) -> PoseModel:
    """A model of the zoo for counting, where values do not matter: its parameters have none (torch's meta device)."""
    return bare_model(name, **options)


def flops_row(model: PoseModel | ModelConfig | str, **options: Any) -> dict[str, Any]:
    """The FLOP columns of a results row, for a model, a configuration, or a name with `create_model`'s options."""
    if isinstance(model, ModelConfig):
        options = model.create_arguments()
        model = str(options.pop("name"))
    made, count = _by_name(model, None, options) if isinstance(model, str) else (model, count_flops(model))
    spec, mask = made.spec, made.transformer.mask
    schedule = made.transformer.schedule  # of the ratio that is set now
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
        **_needed(count, spec.reduction.get("execution")),
        **({"decoder": spec.decoder} if spec.decoder else {}),
        "published_gflops": round(count.published_gflops, 6),
        "published_gflops_t": round(count.published_gflops_t or 0.0, 6),
        "parts": dict(count.parts),
    }


def _needed(count: FlopCount, execution: str | None) -> dict[str, Any]:
    """The columns of a model that cuts connections: what non-zero ones alone would need."""
    if not count.macs_masked and execution in (None, "dense"):
        return {}
    return {
        "execution": execution,
        "macs_needed": count.macs - count.macs_masked,
        "gflops_needed": count.gflops_needed,
        "gflops_t_needed": count.gflops_t_needed,
    }
