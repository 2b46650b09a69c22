"""A trained predictor drops tokens (DynamicViT, arXiv 2106.02034, section 3).

The predictor, what it drops and the loss on how much are the paper's. Training differs: the paper drops nothing then,
hides tokens by a policy drawn with Gumbel noise (`decide`, `policy_attention`) and copies an unreduced teacher. Here
training drops as inference does, which costs what it saves, and the predictor learns where the joints are, as
keypoints say better than a teacher which tokens matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from .context import Context, Selected
from .tokens import keep, ranked

RATIO_WEIGHT = 2.0  # section 3.3


class Predictor(nn.Module):
    """Log-probabilities (B, n, 2), keep first, drop second, of tokens (B, n, dim).

    policy: (B, n) 1 for a token that is still there, 0 for one that training has dropped; by default all are.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.in_conv = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU())
        self.out_conv = nn.Sequential(
            nn.Linear(dim, dim // 2), nn.GELU(), nn.Linear(dim // 2, dim // 4), nn.GELU(), nn.Linear(dim // 4, 2)
        )

    def forward(self, x: torch.Tensor, policy: torch.Tensor | None = None) -> torch.Tensor:
        local, shared = self.in_conv(x).chunk(2, dim=2)
        policy = torch.ones_like(x[:, :, 0]) if policy is None else policy
        mean = (shared * policy[:, :, None]).sum(dim=1, keepdim=True) / policy.sum(dim=1)[:, None, None]
        both = torch.cat((local, mean.expand_as(shared)), dim=2)
        return self.out_conv(both).log_softmax(dim=2)


def modules(width: int, grid: tuple[int, int]) -> dict[str, nn.Module]:
    """One predictor."""
    return {"predictor": Predictor(width)}


def dynamicvit(tokens: torch.Tensor, context: Context, left: int) -> tuple[torch.Tensor, Selected]:
    """Keep the `left` tokens that the predictor would rather keep, the surest first; the choice has no gradient."""
    log_probability = context.modules["predictor"](tokens)
    share = left / tokens.shape[1]

    def where_joints_are(target: torch.Tensor) -> torch.Tensor:
        labels = F.adaptive_max_pool2d(target.amax(dim=1, keepdim=True), context.grid).flatten(1).clamp(0, 1)
        labels = labels.gather(1, context.token_indices)
        both = torch.stack((labels, 1 - labels), dim=2)
        return -(both * log_probability.float()).sum(dim=2).mean()

    def how_many(target: torch.Tensor) -> torch.Tensor:
        return RATIO_WEIGHT * ratio_loss([log_probability.float().exp()[:, :, 0]], [share])

    scores = log_probability[:, :, 0].detach()
    return keep(tokens, ranked(scores, left), scores=scores, losses={"joints": where_joints_are, "ratio": how_many})


def decide(log_probability: torch.Tensor, policy: torch.Tensor) -> torch.Tensor:
    """The policy (B, n) after a stage of training: drawn with Gumbel noise, 0 or 1, with the gradient of the soft draw.

    What an earlier stage dropped (policy 0) stays dropped.
    """
    return F.gumbel_softmax(log_probability, hard=True, dim=2)[:, :, 0] * policy


def policy_attention(logits: torch.Tensor, policy: torch.Tensor) -> torch.Tensor:
    """Attention weights (B, heads, n, n) in training: each token sees itself and those whose policy (B, n) is 1.

    eps = 1e-6, as in the authors' code, keeps it finite: eps / n is added to each term, eps to the sum.
    """
    total = logits.shape[3]
    itself = torch.eye(total, dtype=logits.dtype, device=logits.device)
    seen = policy[:, None, None] * (1 - itself) + itself
    powers = (logits - logits.amax(dim=3, keepdim=True)).exp() * seen
    return (powers + 1e-6 / total) / (powers.sum(dim=3, keepdim=True) + 1e-6)


def ratio_loss(policies: Sequence[torch.Tensor], ratios: Sequence[float]) -> torch.Tensor:
    """Mean over stages and images of (share kept - ratio)^2, of one policy (B, n) and one ratio per stage."""
    return torch.stack([(p.mean(dim=1) - r).square().mean() for p, r in zip(policies, ratios, strict=True)]).mean()
