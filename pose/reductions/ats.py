"""Adaptive token sampling: as many tokens as an image needs, up to K (ATS, arXiv 2111.15667, section 3).

A token's significance is the attention that it gets times the length of its value; K even steps through the cumulated
significance pick the tokens, and one that is picked more than once is kept once.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from .context import Context, Selected
from .groups import source_map
from .rows import pick
from .tokens import ranked


def ats(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Keep the tokens that `left` steps pick, by the attention of the keypoint tokens, in a model without them of the
    visual ones. Images are padded to `left` tokens, so that the cost in a batch is that of the largest possible."""
    prefix, attn = context.prefix, context.attn
    if prefix:
        row = attn.weights[:, :, :prefix].mean(dim=2)
    elif context.valid is not None:  # padding asks for nothing
        real = context.valid[:, None, :, None].to(attn.weights.dtype)
        row = (attn.weights * real).sum(dim=2) / real.sum(dim=2)
    else:
        row = attn.weights.mean(dim=2)
    scores = significance(row, attn.values)[:, prefix:].detach()
    kept, selected = keep_picked(tokens, sample(scores, left, context.valid, context.params["steps"]), left)
    return kept, replace(selected, scores=scores)


def significance(row: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(B, n) attention row (B, heads, n) times the length of each value (B, heads, n, d), summed over the heads."""
    return (row * values.norm(dim=3)).sum(dim=1)


def sample(
    scores: torch.Tensor, count: int, valid: torch.Tensor | None = None, steps: str = "midpoints"
) -> torch.Tensor:
    """(B, n) which tokens are picked where `count` even steps from 0 to 1 meet the cumulated scores (B, n).

    valid: (B, n) False for a token that cannot be picked. steps: see `sample_steps`.
    """
    cumulated = (scores / (scores.sum(dim=1, keepdim=True) + 1e-6)).cumsum(dim=1)
    if valid is not None:
        cumulated = cumulated.masked_fill(~valid, float("inf"))
    at = sample_steps(count, steps, cumulated.device).to(cumulated.dtype)
    nearest = (at[:, None] - cumulated[:, None]).abs().argmin(dim=2)
    return source_map(nearest, scores.shape[1]).any(dim=2)


def sample_steps(count: int, steps: str = "midpoints", device: torch.device | None = None) -> torch.Tensor:
    """Where the cumulated scores are met: "midpoints" of `count` equal parts, as in the paper, or "arange", as
    TokenReduction's code has it: without the last one, or with it where rounding lets it in."""
    if steps == "midpoints" or count == 1:
        return (2 * torch.arange(count, device=device) + 1) / (2 * count)
    return torch.arange(1 / (2 * count), (2 * count - 1) / (2 * count), 1 / count, device=device)


def keep_picked(x: torch.Tensor, picked: torch.Tensor, width: int) -> tuple[torch.Tensor, Selected]:
    """The tokens of x (B, n, d) that picked (B, n) names, in their order, at least one and at most `width` of each
    image; the first of them again as padding: (B, width, d)."""
    total = picked.shape[1]
    number = torch.arange(total, device=x.device)
    ascending = torch.where(picked, number, total).sort(dim=1).values[:, :width]
    valid = ascending < total
    index = torch.where(valid, ascending, ascending[:, :1])
    source = torch.where(picked, picked.long().cumsum(dim=1) - 1, -1)
    return pick(x, index), Selected(index, source, valid=valid)


def authors_ids(row: torch.Tensor, values: torch.Tensor, reference: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What the authors' own code picks: ids (B, M), the class token 0 first, 0 for padding, and the mask (B, M).

    row: (B, heads, N) attention of the class token, values: (B, heads, N, d); reference: about as many steps.
    It differs from the paper: heads are summed before they are multiplied, the scores are sorted before they are
    cumulated, so that tokens come by rising significance and the least of them never, the steps begin at the lowest
    score, and of two equal picks the last goes if it is the second least significant.
    """
    scores = (row.sum(dim=1) * values.transpose(1, 2).flatten(2).norm(dim=2))[:, 1:]
    total = row.shape[2]
    sorted_scores, order = (scores / scores.sum(dim=1, keepdim=True)).sort(dim=1, stable=True)
    cumulated = sorted_scores.cumsum(dim=1)
    lowest, largest = cumulated[:, :1], cumulated.amax(dim=1, keepdim=True)
    cumulated = (cumulated - lowest) / (largest - lowest)
    first = torch.where(cumulated > 0, cumulated, 1.0).amin(dim=1, keepdim=True)
    step = torch.arange(reference - 1, device=row.device) / (reference - 2)
    at = first + step - first * step
    extra = reference - total
    padded = F.pad(cumulated, (extra, 0))  # cut on the left where extra is below 0
    nearest = (at[:, :, None] - padded[:, None]).abs().argmin(dim=2) - extra
    nearest = nearest.sort(dim=1).values
    picked = nearest != F.pad(nearest[:, 1:], (0, 1), value=1)
    front = ranked(picked.to(scores.dtype), int(picked.sum(dim=1).max()))
    mask = picked.gather(1, front)
    ids = torch.where(mask, order.gather(1, nearest.gather(1, front)) + 1, 0)
    return F.pad(ids, (1, 0)), F.pad(mask, (1, 0), value=True)
