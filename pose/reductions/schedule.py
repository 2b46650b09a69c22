"""In which blocks a reduction acts, and how much it leaves there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, prod

from ..errors import InputError


@dataclass(frozen=True)
class Schedule:
    """total: visual tokens that enter the first of `blocks`; steps: (block, how many are left), blocks from 0 over all
    stacks. A reduction acts after a block's attention, before its MLP.

    removes: tokens; else what is left are the visual keys that each visual token still sees, from the next block on.
    """

    total: int
    blocks: int
    steps: tuple[tuple[int, int], ...]
    removes: bool = True

    @property
    def last(self) -> int:
        """What is left after the last block."""
        return self.steps[-1][1] if self.steps else self.total

    def left_at(self, block: int) -> int | None:
        """What the reduction leaves in this block; None where it does not act."""
        return dict(self.steps).get(block)

    @property
    def reduces(self) -> bool:
        """Whether anything goes anywhere."""
        return any(left != self.total for _, left in self.steps)

    @property
    def seen(self) -> list[tuple[int, int]]:
        """For each block the visual tokens (or keys) in its attention and in its MLP."""
        found, now = [], self.total
        for block in range(self.blocks):
            left = self.left_at(block)
            after = now if left is None else left
            found.append((now, after if self.removes else now))
            now = after
        return found

    @property
    def mean_left(self) -> float:
        """What is left, mean over the blocks; a block's attention and its MLP count half each."""
        return sum(a + b for a, b in self.seen) / (2 * self.blocks)


@dataclass(frozen=True)
class Budget:
    """What a schedule is made from. ratio: fraction gone after the last block; amounts: per layer, go over it."""

    total: int
    blocks: int
    ratio: float
    layers: tuple[int, ...]
    amounts: tuple[float, ...] | None = None


def kept_tokens(total: int, ratio: float) -> int:
    """Number of tokens kept of `total` at mask ratio `ratio` in [0, 1): max(1, floor((1 - r) N + 1e-6))."""
    return max(1, int((1 - ratio) * total + 1e-6))


def quarters(blocks: int) -> tuple[int, ...]:
    """The first block of the second, third and fourth quarter of the network: 3, 6, 9 of 12 (PPT, section 4.1)."""
    return tuple(sorted({quarter * blocks // 4 for quarter in (1, 2, 3)}))


def every_block(blocks: int) -> tuple[int, ...]:
    return tuple(range(blocks))


def check_layers(layers: Sequence[int], blocks: int) -> tuple[int, ...]:
    """Blocks in rising order; InputError unless each is a block of the model, named once."""
    found = tuple(int(at) if hasattr(at, "__index__") and not isinstance(at, bool) else at for at in layers)
    whole = all(isinstance(at, int) and not isinstance(at, bool) and 0 <= at < blocks for at in found)
    if not found or not whole or len(set(found)) < len(found):
        raise InputError(
            f"layers {','.join(map(str, found)) or '(none)'}: give distinct blocks from 0 to {blocks - 1}"
        )
    return tuple(sorted(found))


def at_once(budget: Budget) -> Schedule:
    """All of it before the first block: what a mask of that ratio keeps goes into every block."""
    return Schedule(kept_tokens(budget.total, budget.ratio), budget.blocks, ())


def in_steps(budget: Budget) -> Schedule:
    """The same share of what is left at each layer (PPT: 70 % at each of three).

    With a ratio r alone each of L layers keeps (1 - r)^(1 / L), rounded up, and the last leaves the same number as
    a mask of that ratio does. `amounts`: shares kept, rounded up, one per layer.
    """
    shares = budget.amounts or [(1 - budget.ratio) ** (1 / len(budget.layers))] * len(budget.layers)
    _check_shares(shares)
    left, steps = budget.total, []
    for at, share in zip(budget.layers, shares, strict=True):
        left = max(1, ceil(share * left - 1e-6))
        steps.append([at, left])
    if budget.amounts is None:
        last = kept_tokens(budget.total, budget.ratio)
        steps = [[at, max(left, last)] for at, left in steps[:-1]] + [[steps[-1][0], last]]
    return Schedule(budget.total, budget.blocks, tuple(map(tuple, steps)))


def by_half(budget: Budget) -> Schedule:
    """As `in_steps`, by merging pairs: no more than half of the tokens can go at once, so with a ratio alone more go
    before the last layers where they must."""
    schedule = in_steps(budget)
    if budget.amounts is None:
        most = [schedule.last * 2**after for after in reversed(range(len(schedule.steps)))]
        steps = tuple((at, min(left, limit)) for (at, left), limit in zip(schedule.steps, most, strict=True))
        schedule = Schedule(budget.total, budget.blocks, steps)
    before = budget.total
    for at, left in schedule.steps:
        if before - left > before // 2:
            raise InputError(
                f"{left} of {before} tokens to be left in block {at}: pairs that merge leave at least half; give a "
                "lower ratio, or more layers"
            )
        before = left
    return schedule


def of_all(budget: Budget) -> Schedule:
    """At each layer anew the same share of all keys, rounded up (Improved TokenPose with Sparsity: 70 %)."""
    shares = budget.amounts or [1 - budget.ratio] * len(budget.layers)
    _check_shares(shares)
    steps = [(at, max(1, ceil(share * budget.total - 1e-6))) for at, share in zip(budget.layers, shares, strict=True)]
    return Schedule(budget.total, budget.blocks, tuple(steps), removes=False)


def evenly(budget: Budget) -> Schedule:
    """As nearly as possible the same number at each layer (ToMe, section 3: a constant r).

    At most half of the tokens can merge at once, so a high ratio takes more from the first ones. `amounts`: r, tokens
    that go, one per layer, each cut to what can.
    """
    goal, count = kept_tokens(budget.total, budget.ratio), len(budget.layers)
    left, steps = budget.total, []
    for number, at in enumerate(budget.layers):
        if budget.amounts is None:
            even = budget.total - (number + 1) * (budget.total - goal) // count
            wanted = left - min(even, goal * 2 ** (count - number - 1))
        else:
            wanted = budget.amounts[number]
            if wanted < 0 or wanted != int(wanted):
                raise InputError(f"{wanted} tokens to merge: give whole numbers from 0 on")
        left -= min(int(wanted), left // 2)
        steps.append((at, left))
    if budget.amounts is None and left > goal:
        raise InputError(
            f"mask ratio {budget.ratio:g} by merging: {count} blocks, each halving the tokens at most, leave {left} of "
            f"{budget.total} and not {goal}; give a ratio up to {int(1e4 * (1 - left / budget.total)) / 1e4:g}"
        )
    return Schedule(budget.total, budget.blocks, tuple(steps))


def ratio_of_steps(shares: Sequence[float], total: int) -> float:
    """The mask ratio that shares kept one after the other come to."""
    _check_shares(shares)
    return round(1 - prod(shares), 6)


def ratio_of_last(shares: Sequence[float], total: int) -> float:
    """The mask ratio of shares that are each kept of all: the last one counts."""
    _check_shares(shares)
    return round(1 - shares[-1], 6)


def ratio_of_merges(numbers: Sequence[float], total: int) -> float:
    """The mask ratio that merging these numbers of `total` tokens comes to."""
    budget = Budget(total, len(numbers), 0.0, tuple(range(len(numbers))), tuple(numbers))
    return round(1 - evenly(budget).last / total, 6)


def _check_shares(shares: Sequence[float]) -> None:
    for share in shares:
        if not 0 < share <= 1:
            raise InputError(f"keep ratio {share!r}: give a number above 0 and up to 1, such as 0.7")


@dataclass(frozen=True)
class Plan:
    """How much a reduction leaves where. schedule: from a budget; ratio_of: (amounts per layer, tokens) -> the mask
    ratio that explicit amounts come to."""

    schedule: Callable[[Budget], Schedule]
    ratio_of: Callable[[Sequence[float], int], float]


IN_STEPS = Plan(in_steps, ratio_of_steps)
BY_HALF = Plan(by_half, ratio_of_steps)
OF_ALL = Plan(of_all, ratio_of_last)
EVENLY = Plan(evenly, ratio_of_merges)
