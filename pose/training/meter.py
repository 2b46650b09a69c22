"""The running figures of an epoch: left on the device and looked at now and then, since each look waits for it."""

from __future__ import annotations

import math
import time

import torch

from ..errors import NumericalError
from ..ranks import ALONE, Ranks

SECONDS_BETWEEN_LOOKS = 0.5
STEPS_BETWEEN_LOOKS = 20  # of several ranks, which must look at the same time


class Meter:
    """Mean loss and accuracy of one epoch; stops training when a loss is NaN or infinite.

    `last_good` says in an error message which checkpoint is left.
    """

    def __init__(self, epoch: int, last_good: str, ranks: Ranks = ALONE) -> None:
        self._ranks = ranks
        self.loss = math.nan
        self.accuracy = math.nan
        self._where = epoch, last_good
        self._pending: list[tuple[int, float, int, torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self._totals = [0.0, 0, 0, 0]  # loss times samples, samples, hits, joints
        self._looked = time.monotonic()

    def add(
        self, step: int, rate: float, samples: int, loss: torch.Tensor, hits: torch.Tensor, joints: torch.Tensor
    ) -> None:
        """Note one step's results (scalars on any device), without waiting for them.

        samples: of the whole batch; loss, hits, joints: this rank's part of the batch's.
        """
        self._pending.append((step, rate, samples, loss, hits, joints))

    def due(self) -> bool:
        """Whether it is time for another look."""
        if self._ranks.size > 1:
            return len(self._pending) >= STEPS_BETWEEN_LOOKS
        return time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS

    def look(self) -> None:
        """Bring `loss` and `accuracy` up to date; NumericalError for the first step whose loss is not finite."""
        if not self._pending:
            return
        values = torch.stack([torch.stack([s.double() for s in entry[3:]]) for entry in self._pending])
        sums = self._ranks.sum(values).tolist()
        for (step, rate, samples, *_), (loss, hits, joints) in zip(self._pending, sums, strict=True):
            if not math.isfinite(loss):
                raise self.not_finite(f"the loss became {loss}", step, rate)
            for place, amount in enumerate((loss * samples, samples, hits, joints)):
                self._totals[place] += amount
        self._pending.clear()
        total, samples, hits, joints = self._totals
        self.loss = total / samples
        self.accuracy = hits / joints if joints else math.nan
        self._looked = time.monotonic()

    def not_finite(self, what: str, step: int, rate: float) -> NumericalError:
        """The error for `what` went wrong at the given step (counted from 1 over the run) and learning rate."""
        epoch, last_good = self._where
        return NumericalError(
            f"training stopped: {what} in epoch {epoch}, step {step}, at learning rate {rate:.3g} ({last_good}); "
            "try a lower learning rate, gradient clipping, or no mixed precision"
        )
