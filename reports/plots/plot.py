"""A plot as the report knows it: what it is called, what it is drawn of, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from ..analysis.break_even import break_evens, by_model
from ..analysis.findings import Findings


@dataclass(frozen=True)
class Case:
    """One drawing to make. `given` goes to the draw function; `subject` and `detail` say what is drawn; `suffix` ends
    the beginning of its file's name."""

    given: tuple[Any, ...]
    subject: str
    detail: str = ""
    suffix: str = ""

    @property
    def about(self) -> str:
        """Subject and detail: "tmpose_b, batch size 16"."""
        return ", ".join(part for part in (self.subject, self.detail) if part)


@dataclass(frozen=True)
class Plot:
    """One kind of plot. A new one is a file with such a record, and its line in catalogue.py.

    name: its own; title: what it shows, in words. needs: the cases that it is drawn for (`each_subject`, ...). draw:
    (*case.given) -> (figure, all that it shows in words), or None where the case lacks something. section: of the page,
    the last one unless given. file: how its files are called, the name unless given.
    """

    name: str
    title: str
    needs: Callable[[Findings], Iterable[Case]]
    draw: Callable[..., tuple[Figure, str] | None]
    section: str = "more"
    file: str = ""


def each_metric(findings: Findings) -> Iterator[Case]:
    """draw(subjects of one metric)"""
    for metric in dict.fromkeys(subject.metric for subject in findings.subjects):
        yield Case(([subject for subject in findings.subjects if subject.metric == metric],), metric.name)


def each_subject(findings: Findings) -> Iterator[Case]:
    """draw(subject)"""
    for subject in findings.subjects:
        yield Case((subject,), subject.label)


def each_batch_size(findings: Findings) -> Iterator[Case]:
    """draw(subject, batch size)"""
    for subject in findings.subjects:
        for size in subject.batch_sizes:
            yield Case((subject, size), subject.label, f"batch size {size}")


def each_compared_model(findings: Findings) -> Iterator[Case]:
    """draw(subjects, one model's points at equal GFLOPsT)"""
    for model, points in findings.iso_flops_by_model.items():
        yield Case((findings.subjects, points), model)


def each_agreement(findings: Findings) -> Iterator[Case]:
    """draw(what the masks of a model keep at one ratio)"""
    for one in findings.agreements:
        yield Case((one,), one.model, f"ratio {one.ratio:g}")


def each_matrix(findings: Findings) -> Iterator[Case]:
    """draw(matrix of elastic evaluation)"""
    for matrix in findings.matrices:
        yield Case((matrix,), matrix.label, suffix=matrix.mask)


def each_break_even(findings: Findings) -> Iterator[Case]:
    """draw(one model's reductions in all of its runtimes), where there are several runtimes or batch sizes"""
    for label, found in by_model(break_evens(findings.records)).items():
        if len({(one.runtime, size) for one in found for size in one.batch_sizes}) > 1:
            yield Case((found,), label)
