"""`posebench check`: does a run keep what was promised of it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .outcomes import OutcomeFormat, Strict, read_rules, show_outcomes

EXAMPLES = """
Examples:

  posebench check runs/now --baseline baseline.csv --rules rules.yaml

  posebench check runs/now --baseline baseline.csv --rules rules.yaml --format junit > check.xml

A file of rules:

  gflops_t: equal

  ap: drop <= 0.005

  memory: rise <= 5 %

  latency: slower <= 10 %
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("check", rich_help_panel="Decide", epilog=EXAMPLES)(check)


def check(
    run: Annotated[Path, typer.Argument(help="folder of a sweep, or its results.csv")],
    baseline: Annotated[Path, typer.Option(help="folder or results.csv to compare with")],
    rules: Annotated[Path, typer.Option(help="YAML of rules, such as 'ap: drop <= 0.005'")],
    format: OutcomeFormat = "text",
    strict: Strict = False,
) -> None:
    """Judge a run against a baseline by rules; exit 1 if one is broken.

    Counts are compared exactly, accuracies by the interval of their difference, times only where the machine is the
    same, and even there a rule on time is never called broken: that takes `posebench gate`.
    """
    from ..reports.analysis.check import check_runs
    from ..reports.analysis.runs_compared import read_run

    outcomes = check_runs(read_rules(rules), read_run(baseline), read_run(run))
    show_outcomes(outcomes, format, "posebench check", rules, strict=strict)
