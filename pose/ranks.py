"""The processes that train one model together: who they are, each one's share, and what they tell each other."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import distributed

from .errors import InputError, ProcessLost

#: a process that died is noticed at once; one that hangs, after this time
PATIENCE = timedelta(minutes=10)
STORE_PATIENCE = timedelta(seconds=10)
LOST = "one of the processes that train together ended or hangs; the last checkpoint stays: --resume goes on from there"


@dataclass(frozen=True)
class Share:
    """The samples `start` to `stop` of a batch of `total`, which one process works on."""

    total: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def whole(self) -> bool:
        return len(self) == self.total


@dataclass(frozen=True)
class Ranks:
    """This process's number `rank` among `size` that train together. What is summed is the same on all of them."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and shows progress."""
        return self.rank == 0

    def share(self, total: int) -> Share:
        """This process's part of a batch of `total` samples: equal but for one, in order, none where there are fewer
        samples than processes."""
        return Share(total, total * self.rank // self.size, total * (self.rank + 1) // self.size)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of all processes' `values`, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def sum_array(self, values: np.ndarray) -> np.ndarray:
        """The sum of all processes' arrays."""
        return self.sum(torch.from_numpy(values)).numpy()

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """(size, ...): every process's `values`, in their order."""
        everyone = [torch.empty_like(values) for _ in range(self.size)]
        distributed.all_gather(everyone, values)
        return torch.stack(everyone)

    def told_by_first(self, make: Callable[[], Any]) -> Any:
        """What `make` gives the first process, told to all (plain types and tensors on the CPU)."""
        if self.size == 1:
            return make()
        told = [make() if self.first else None]
        distributed.broadcast_object_list(told, device=torch.device("cpu"))
        return told[0]

    def copy_buffers(self, module: torch.nn.Module) -> None:
        """Give every process the first one's buffers (running statistics) of a module."""
        if self.size > 1:
            for buffer in module.buffers():
                distributed.broadcast(buffer, src=0)


ALONE = Ranks()


def started_together() -> bool:
    """Whether this process is one of several that were started for one training, as torchrun does it."""
    return "RANK" in os.environ and _number("WORLD_SIZE", "1") > 1


def local_rank() -> int:
    """This process's number on its machine."""
    return _number("LOCAL_RANK", "0")


def local_size() -> int:
    """How many of the processes run on this machine."""
    return _number("LOCAL_WORLD_SIZE", "1")


def _number(name: str, default: str) -> int:
    text = os.environ.get(name, default)
    if not text.isdigit():
        raise InputError(f"environment variable {name} is {text!r}: torchrun sets it to a whole number")
    return int(text)


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Join the other processes that were started with this one (`ALONE` where there are none); leave them after.

    All but the first are mute inside. An error ends all of them, and the one that comes to it first says so: in the
    others, which only lose their peer, the error becomes a silent exit. ProcessLost where one ended without a word.
    """
    if not started_together():
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    ranks = Ranks(distributed.get_rank(), distributed.get_world_size())
    with contextlib.ExitStack() as stack:
        if not ranks.first:
            mute = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(mute))
            stack.enter_context(contextlib.redirect_stderr(mute))
        try:
            yield ranks
        except BaseException as error:
            lost, code = _lost_a_peer(error), 2 if isinstance(error, InputError) else getattr(error, "exit_code", 1)
            sys.stderr.flush()
            if not _says_first():
                os._exit(code)
            atexit.register(os._exit, code)  # taking torch's groups down in order would wait for the others
            if lost:
                raise ProcessLost(LOST) from None
            raise
        distributed.destroy_process_group()


def errors_told(store: distributed.Store, more: int) -> int:
    """How many of the processes that share `store` have come to an error, with `more` from now on."""
    return store.add(f"posebench/errors/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", more)


def _says_first() -> bool:
    """Whether this process is the first to come to an error."""
    address, port = os.environ["MASTER_ADDR"], _number("MASTER_PORT", "29500")
    try:
        return (
            errors_told(
                distributed.TCPStore(address, port, is_master=False, wait_for_workers=False, timeout=STORE_PATIENCE), 1
            )
            == 1
        )
    except RuntimeError:  # whoever kept the store is gone
        return True


def _lost_a_peer(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and (
        isinstance(error, distributed.DistError) or "gloo" in text or "NCCL" in text or "Connection" in text
    )
