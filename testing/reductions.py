"""What every token reduction owes to those who call it, as checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..benchmark.counting.flops import count_flops
from ..pose.models.zoo import create_model
from ..pose.reductions import CUT, DROP, Reduction, ReductionConfig, find_reduction, reduction_config
from ..pose.reductions.context import Attended, Context, Selected
from ..pose.reductions.noise import evaluation_noise
from ..pose.reductions.tokens import restore

MODEL = "tmpose_tiny"
GRID, PREFIX, WIDTH, HEADS = (8, 6), 17, 96, 3
TOKENS = GRID[0] * GRID[1]
RATIO = 0.4


@dataclass(frozen=True)
class Case:
    """A reduction under test. config: name and parameters, at RATIO unless the parameters say how much it leaves."""

    config: ReductionConfig
    reduction: Reduction

    def model(self, **options: Any) -> torch.nn.Module:
        """A small pose transformer with it, weights lively enough that attention differs from token to token."""
        torch.manual_seed(3)
        model = create_model(MODEL, mask=self.config, mask_ratio=self.config.ratio, **options).eval()
        with torch.no_grad():
            for name, value in model.named_parameters():
                if value.dim() > 1 and "position" not in name:
                    value.normal_(0, 2 / value[0].numel() ** 0.5)
        return model

    @property
    def left(self) -> int:
        """How many tokens (or connections) are left of one call on TOKENS of them."""
        schedule = self.model().spec.schedule
        return schedule.steps[0][1] if schedule.steps else schedule.total


def check_reduction(reduction: str | Reduction | Callable[..., Any], **params: Any) -> None:
    """Run every check of REDUCTION_CHECKS on a reduction by name ("semantic", "package.module:name", with parameters in
    parentheses or as `params`), and raise AssertionError saying which promise it breaks.

    Raises InputError where there is no such reduction.
    """
    case = reduction_case(reduction, **params)
    for check in REDUCTION_CHECKS:
        check(case)


def reduction_case(reduction: str | Reduction | Callable[..., Any], **params: Any) -> Case:
    """The case that the checks take."""
    if not isinstance(reduction, str):
        work = reduction.work if isinstance(reduction, Reduction) else reduction
        reduction = work if isinstance(work, str) else f"{work.__module__}:{work.__qualname__}"
    config = reduction_config(reduction, None, params)
    descriptor = find_reduction(config.name)
    if not (descriptor.amounts and config.get(descriptor.amounts) is not None):
        config = reduction_config(config, RATIO)
    return Case(config, descriptor)


def call(case: Case, tokens: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, Selected]:
    """The pure function on tokens (B, TOKENS, WIDTH), with an attention that depends on them alone."""
    torch.manual_seed(5)
    modules = {name: part.to(tokens) for name, part in case.reduction.make_modules(WIDTH, GRID).items()}
    return act(case, case.left, modules, tokens, ids, attention(tokens))


def attention(tokens: torch.Tensor) -> Attended:
    """Of tokens (B, TOKENS, WIDTH) behind PREFIX keypoint tokens; without gradient, as a choice has none."""
    generator = torch.Generator().manual_seed(11)
    project = torch.randn(3, WIDTH, WIDTH, generator=generator).to(tokens) * WIDTH**-0.5
    prefix = torch.randn(1, PREFIX, WIDTH, generator=generator).to(tokens).expand(len(tokens), -1, -1)
    with torch.no_grad():
        both = torch.cat((prefix, tokens), dim=1)
        q, k, v = ((both @ p).unflatten(2, (HEADS, -1)).transpose(1, 2) for p in project)
        logits = q @ k.transpose(2, 3) * (WIDTH // HEADS) ** -0.5
        return Attended(k, logits, logits.softmax(dim=3), v)


def act(
    case: Case, left: int, modules: Mapping[str, nn.Module], tokens: torch.Tensor, ids: torch.Tensor, attn: Attended
) -> tuple[torch.Tensor, Selected]:
    """The pure function with what it may look at."""
    context = Context(
        prefix=PREFIX,
        grid=GRID,
        token_indices=torch.arange(TOKENS, device=tokens.device).expand(tokens.shape[0], -1),
        content=tokens,
        keypoint_attention=lambda: attn.weights[:, :, :PREFIX, PREFIX:].mean(dim=1),
        noise=lambda columns: evaluation_noise(ids, columns, 0),
        attn=attn,
        modules=modules,
        params={param.name: case.config.get(param.name) for param in case.reduction.params},
        depth=4,
    )
    return case.reduction.function()(tokens, context, left)


def example(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (batch, TOKENS, WIDTH) and sample ids."""
    return torch.randn(batch, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1)), 7 * torch.arange(batch)


def leaves_exactly_as_many(case: Case) -> None:
    """As many tokens (CUT: connections) are left as it is told to leave, each an input token of its own; of an adaptive
    one at most so many of an image, and the rest is padding."""
    for batch in (1, 3):
        tokens, selected = call(case, *example(batch))
        if case.reduction.kind == CUT:
            assert tokens.shape == (batch, TOKENS, WIDTH), f"tokens of shape {tuple(tokens.shape)}: none may go"
            assert selected.connections is not None, "Selected.connections says what is left"
            rows = selected.connections.sort(dim=2).values
            assert rows.shape == (batch, TOKENS, case.left), f"{rows.shape[2]} connections where {case.left} were asked"
        else:
            rows = selected.token_indices.sort(dim=1).values
            assert tokens.shape == (batch, case.left, WIDTH), f"{tokens.shape[1]} tokens where {case.left} were asked"
            assert rows.shape == (batch, case.left), "token_indices names one input token for each output token"
        if case.reduction.adaptive:
            assert selected.valid is not None, "Selected.valid says which tokens are real and which fill up"
            assert selected.valid.any(dim=1).all(), "an image has no token left"
            own = [row[real].sort().values for row, real in zip(selected.token_indices, selected.valid, strict=True)]
            assert all((row.diff() > 0).all() for row in own), "one is named twice"
            continue
        assert (rows.diff(dim=-1) > 0).all() and rows.min() >= 0 and rows.max() < TOKENS, "one is named twice, or none"


def treats_each_sample_alone(case: Case) -> None:
    """What happens to an image does not depend on the others in its batch."""
    tokens, ids = example()
    together, selected = call(case, tokens, ids)
    for row in range(len(tokens)):
        alone, own = call(case, tokens[row : row + 1], ids[row : row + 1])
        same = slice(row, row + 1)
        assert torch.equal(own.token_indices, selected.token_indices[same]), "another choice in another batch"
        assert torch.allclose(alone, together[same], atol=1e-5), "other tokens in another batch"


def repeats(case: Case) -> None:
    """The same seed and sample ids give the same heatmaps again, in another batch order, too."""
    model = case.model()
    images = torch.randn(3, 3, *model.spec.input_size, generator=torch.Generator().manual_seed(2))
    ids, order = torch.tensor([7, 900, 31]), [2, 0, 1]
    with torch.no_grad():
        first, again, turned = model(images, ids), model(images, ids), model(images[order], ids[order])
    assert torch.equal(first, again), "two evaluations of the same samples differ"
    assert torch.allclose(first[order], turned, atol=1e-4), "the order of the batch decides"


def only_what_is_held_matters(case: Case) -> None:
    """An output token depends on the input tokens that it holds, and on no other: what is dropped has no influence."""
    tokens, ids = example(1)
    tokens.requires_grad_()
    out, selected = call(case, tokens, ids)
    holders = selected.holders(TOKENS)[0]
    if case.reduction.kind == DROP and selected.source is None:
        assert torch.equal(out, tokens[:, selected.token_indices[0]]), "a kept token is changed"
    real = range(out.shape[1]) if selected.valid is None else selected.valid[0].nonzero()[:, 0].tolist()
    for place in real:
        (slope,) = torch.autograd.grad(out[0, place].sum(), tokens, retain_graph=True)
        foreign = (slope[0].abs().sum(dim=1) > 0) & (holders != place)
        assert not foreign.any(), f"output token {place} depends on tokens that it does not hold"


def gradients_reach_every_weight(case: Case) -> None:
    """In training all weights learn: the model's through the heatmaps, its own modules through its losses."""
    model = case.model().train()
    images = torch.randn(2, 3, *model.spec.input_size, generator=torch.Generator().manual_seed(2))
    heatmaps, state = model.run(images)
    losses = [loss(heatmaps.detach().abs()) for selected in state.selected for loss in selected.losses.values()]
    (heatmaps.square().mean() + sum(losses)).backward()
    still = [n for n, value in model.transformer.named_parameters() if value.requires_grad and value.grad is None]
    assert not still, f"no gradient for {', '.join(still)}"


def can_be_restored(case: Case) -> None:
    """`restore` puts every output token back on the cells that it holds, and what was dropped where it was."""
    tokens, ids = example()
    out, selected = call(case, tokens, ids)
    holders = selected.holders(TOKENS)
    dense = restore(out, selected, tokens)
    for row in range(len(tokens)):
        for cell, place in enumerate(holders[row].tolist()):
            wanted = tokens[row, cell] if place < 0 else out[row, place]
            assert torch.equal(dense[row, cell], wanted), f"cell {cell} is not restored"
    stands = holders.gather(1, selected.token_indices)
    stands_there = stands == torch.arange(stands.shape[1])
    if selected.valid is not None:
        stands_there |= ~selected.valid
    assert stands_there.all(), "an output token does not hold the cell at which it stands"


def is_counted(case: Case) -> None:
    """Every operator that it runs has a counting rule."""
    count = count_flops(case.model())
    assert count.macs_transformer and count.macs_transformer > 0


def follows_its_schedule(case: Case) -> None:
    """In a model as many tokens are left at the end as its specification says, and ratio 0 leaves the model alone."""
    model = case.model()
    images = torch.randn(2, 3, *model.spec.input_size, generator=torch.Generator().manual_seed(2))
    assert model.kept_indices(images).shape == (2, model.spec.tokens_kept)
    plain = create_model(MODEL, mask="none").eval()
    plain.load_state_dict({n: v for n, v in model.state_dict().items() if not n.startswith("transformer.mask.")})
    model.set_mask_ratio(0.0)
    with torch.no_grad():
        assert torch.equal(model(images), plain(images)), "at ratio 0 it changes the heatmaps"


def runs_on_any_device(case: Case) -> None:
    """It makes its tensors where its tokens lie: on the meta device, and on CUDA where there is one."""
    devices = ["meta", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        tokens, ids = (tensor.to(device) for tensor in example())
        assert call(case, tokens, ids)[1].token_indices.device.type == device, "token_indices lie on another device"
        model = case.model().to(device)
        heatmaps = model(torch.zeros(2, 3, *model.spec.input_size, device=device))
        assert heatmaps.device.type == device


class _Exported(nn.Module):
    """The pure function as a module from tensors to tensors."""

    def __init__(self, case: Case):
        super().__init__()
        torch.manual_seed(5)
        self.case, self.left = case, case.left
        self.own = nn.ModuleDict(case.reduction.make_modules(WIDTH, GRID))

    def forward(self, tokens: torch.Tensor, ids: torch.Tensor, *attn: torch.Tensor) -> tuple[torch.Tensor, ...]:
        out, selected = act(self.case, self.left, dict(self.own.items()), tokens, ids, Attended(*attn))
        said = (selected.token_indices, selected.source, selected.sizes, selected.valid)
        kept = None if selected.connections is None else selected.connections.sort(dim=2).values
        return out, *(value for value in (*said, kept) if value is not None)


def can_be_exported(case: Case) -> None:
    """Its graph, written down for batches of any size, does the same without operators that other runtimes lack or
    compute wrong: stable sorts and scatters."""

    def inputs(batch: int) -> tuple[torch.Tensor, ...]:
        tokens, ids = example(batch)
        attn = attention(tokens)
        return tokens, ids, attn.keys, attn.logits, attn.weights, attn.values

    module = _Exported(case).eval()
    with torch.no_grad():
        # torch 2.6 wants a bound, and traces Python itself unless it is told not to
        free = tuple({0: torch.export.Dim("batch", max=2**20)} for _ in inputs(1))
        exported = torch.export.export(module, inputs(2), dynamic_shapes=(*free[:2], free[2:]), strict=False)
        operators = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
        lacking = sorted(name for name in operators if any(word in name for word in ("scatter", "stable", "_put")))
        assert not lacking, f"{', '.join(lacking)}: see pose/reductions/groups.py and tokens.py for forms that export"
        found, expected = exported.module()(*inputs(3)), module(*inputs(3))
    for own, ours in zip(found, expected, strict=True):
        same = torch.allclose(own, ours, atol=1e-5) if own.is_floating_point() else torch.equal(own, ours)
        assert same, "exported it does something else"


REDUCTION_CHECKS: tuple[Callable[[Case], None], ...] = (
    leaves_exactly_as_many,
    can_be_restored,
    treats_each_sample_alone,
    repeats,
    only_what_is_held_matters,
    gradients_reach_every_weight,
    is_counted,
    follows_its_schedule,
    runs_on_any_device,
    can_be_exported,
)
