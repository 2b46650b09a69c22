"""What README and docs/ tell a user to type is a command that there is; the site builds, and every page is in it."""

import importlib
import os
import re
import shlex
import subprocess
import sys

import pytest
import typer
import yaml
from documented import COMMANDS, OWN, PAGES, ROOT

from posebench.cli import UsageError, app

#: what needs no file, code or device of the user's, and seconds rather than minutes
RUN = re.compile(
    r"posebench (?!.*(--data |--weights |--device |\bmy_))"
    r"(flops --model |models|search --model tmpose_tiny |sweep .*--dry-run|export --check$)"
)


def test_there_are_commands_to_look_at():
    pages = {page for page, _ in COMMANDS}
    assert len(COMMANDS) > 40 and pages >= {"README.md", "scale.md", "runtimes.md", "export.md"}


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}: {line[10:60]}" for page, line in COMMANDS])
def test_a_documented_command_has_these_options(page, line):
    """The command line itself parses it; nothing is run."""
    group = typer.main.get_command(app)
    context = group.make_context("posebench", shlex.split(line)[1:])
    try:
        arguments = context._protected_args + context.args
        while arguments and hasattr(group, "resolve_command"):
            name, group, arguments = group.resolve_command(context, arguments)
            context = group.make_context(name, arguments, parent=context)
            arguments = getattr(context, "_protected_args", []) + context.args
    except UsageError as error:
        pytest.fail(f"{page}: {line}: {error.format_message()}")


@pytest.mark.slow
@pytest.mark.parametrize("line", sorted({line for page, line in COMMANDS if page != OWN and RUN.match(line)}))
def test_a_command_that_needs_nothing_runs(line, tmp_path):
    environment = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "posebench", *shlex.split(line)[1:]],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_page_is_in_the_sites_navigation():
    docs = ROOT / "docs"
    listed = {next(iter(entry.values())) for entry in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]}
    there = {str(page.relative_to(docs)) for page in PAGES if docs in page.parents}
    assert listed - {"commands.md"} == there - {"commands.md"}, "the list of commands is made when the site is"


def test_what_the_python_page_names_is_told_by_its_module():
    """The site's builder, and tab completion, know of what is imported on first use by `dir` alone."""
    names = re.findall(r"^::: (\S+)\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.M)
    assert len(names) > 8
    assert [name for module, name in names if name not in dir(importlib.import_module(module))] == []


@pytest.mark.slow
@pytest.mark.optional
def test_the_site_builds_strictly(tmp_path):
    pytest.importorskip("mkdocs")
    reference = ROOT / "docs" / "commands.md"
    for command in (["typer", "posebench.cli", "utils", "docs", "--name", "posebench", "--output", reference],
                    ["mkdocs", "build", "--quiet", "--site-dir", tmp_path / "site"]):  # fmt: skip
        done = subprocess.run([sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "breakeven" in (tmp_path / "site" / "commands" / "index.html").read_text()
    assert "posebench.patch" in (tmp_path / "site" / "api" / "index.html").read_text()
