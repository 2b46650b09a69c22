"""From reduced tokens back to the dense grid, as dense decoders and pictures need it."""

from __future__ import annotations

import torch

from .state import TokenState, pick


def token_holders(state: TokenState, total: int) -> torch.Tensor:
    """Which of the tokens left holds each of `total` grid cells, (B, N); -1 for a cell whose token was dropped."""
    if state.holder is not None:
        return state.holder
    places = torch.arange(state.cells.shape[1], device=state.cells.device).expand_as(state.cells)
    gone = torch.full((len(places), total), -1, device=places.device)
    return gone.scatter(1, state.cells, places)


def restore(tokens: torch.Tensor, holders: torch.Tensor, dropped: torch.Tensor | None = None) -> torch.Tensor:
    """The dense grid (B, N, d) of tokens (B, n, d): each cell gets the token that holds it (its group's, after
    merging), and a cell that none holds what `dropped` (B, N, d) has there, or zeros.

    holders: (B, N) places in `tokens`, -1 for none (`token_holders`).
    """
    dense = pick(tokens, holders.clamp(min=0))
    fill = torch.zeros_like(dense) if dropped is None else dropped
    return torch.where((holders < 0)[:, :, None], fill, dense)
