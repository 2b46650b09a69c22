"""Ordinary slips at the keyboard: one line that names the option, exit code 2, and nothing is written."""

import os
import subprocess
import sys
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest

from posebench.cli import app
from posebench.commands.options import count


@pytest.mark.parametrize(
    ("line", "saying"),
    [
        ("eval --batch-size 0", "--batch-size"),
        ("eval --workers -2", "--workers"),
        ("eval --threads 0", "--threads"),
        ("eval --seed -1", "--seed"),
        ("eval --format xml", "unknown format 'xml'"),
        ("eval --bach-size 4", "--batch-size"),
        ("train", "Missing option '--out'"),
        ("train --out run --evaluate-every -1", "--evaluate-every"),
        ("train --out=", "--out is empty"),
        ("train --out ''", "--out is empty"),
        ("sweep --out ''", "--out is empty"),
        ("data synth --out ''", "--out is empty"),
        ("profile --batch-sizes ''", "--batch-sizes is empty"),
        ("profile --batch-sizes ,", "--batch-sizes is empty"),
        ("profile --batch-sizes 0", "batch size 0"),
        ("profile --train --batch-sizes 0", "batch size 0"),
        ("profile --samples 0", "--samples"),
        ("profile --people 3", "--people is of --deployed"),
        ("profile --train --energy --runtime fused", "leave out --energy and --runtime"),
        ("profile --deployed --no-memory", "leave out --no-memory"),
        ("profile --data people --calibration people", "leave out --calibration"),
        ("profile --data people --samples 5", "leave out --samples"),
        ("flops --model tmpose_tiny --save . --force", "is a folder"),
        ("data check nowhere", "nowhere: no such data folder"),
        ("report .", "results.csv"),
        ("plot . --width nan", "nan is not a number from 1 to 20"),
        ("sweeep", "Did you mean 'sweep'"),
    ],
)
def test_a_slip_is_one_line(posebench, line, saying):
    arguments = ["" if word == "''" else word for word in line.split()]
    code, out, err = posebench(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("posebench: error: ") and err.count("\n") == 1
    assert saying in err
    assert not os.listdir()


def test_a_submission_file_of_a_data_set_without_is_refused_before_anything_is_evaluated(
    posebench, photographs, monkeypatch
):
    monkeypatch.setattr("posebench.pose.evaluation.evaluate.evaluate", None)
    code, _, err = posebench("eval", "--data", photographs / "mpii", "--save-results", "r.json")
    assert code == 2 and err == "posebench: error: r.json: submission files are COCO's; this data set has none\n"


def test_a_path_with_square_brackets_is_no_markup(posebench):
    code, out, err = posebench("data", "synth", "--out", "[/x]", "--train", 1, "--val", 0, "--jobs", 1)
    assert code == 0 and os.path.isdir("[/x]/annotations")
    assert out.startswith("[/x]: 1 person for training and 0 for validation")
    assert "rendering into [/x]" in err


def test_quiet_leaves_the_result_alone(posebench):
    code, out, err = posebench("data", "synth", "--out", "people", "--train", 1, "--val", 2, "--jobs", 1, "--quiet")
    assert (code, err) == (0, "") and out.count("\n") == 1
    code, out, err = posebench("data", "check", "people", "-q")
    assert (code, err) == (0, "") and out.splitlines()[-1].endswith("coco layout, usable")


def test_a_folder_without_annotations_is_a_failed_check_that_names_it(posebench):
    os.mkdir("empty")
    code, out, _ = posebench("data", "check", "empty")
    assert code == 1
    assert out.splitlines()[-1] == f"{os.path.abspath('empty')}: of no known layout, NOT usable as it is"


def test_a_shell_completes_commands():
    environment = os.environ | {"_POSEBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "posebench sw", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['posebench']; from posebench.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["sweep"]


@pytest.mark.parametrize(("number", "text"), [(0, "0 people"), (1, "1 person"), (2, "2 people")])
def test_one_is_not_counted_in_the_plural(number, text):
    assert count(number, "person", "people") == text


def options_of(app, *path):
    """(command, option, type, what was declared) of every command."""
    for command in app.registered_commands:
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            # Python 3.10 makes what defaults to None optional by itself
            hint = next((one for one in (hint, *get_args(hint)) if get_origin(one) is Annotated), hint)
            if get_origin(hint) is Annotated:
                kind, declared = get_args(hint)[:2]
                yield " ".join((*path, command.name)), name, {kind, *get_args(kind)}, declared
    for group in app.registered_groups:
        yield from options_of(group.typer_instance, *path, group.name)


def test_every_number_that_can_be_given_has_bounds():
    own_sentence = {("choose", "max_loss"), ("eval", "margin"), ("data pack", "detail")}
    endless = {
        (command, name)
        for command, name, kinds, declared in options_of(app)
        if (int in kinds and declared.max is None) or (float in kinds and not declared.callback)  # NaN passes a range
    }
    assert endless == own_sentence


@pytest.mark.parametrize("mode", ["--train", "--deployed", "--data=people", "--no-memory"])
def test_whatever_is_profiled_is_in_the_float32_that_was_asked_for(mode, posebench, monkeypatch):
    class Told(Exception):
        pass

    def use_device(device, *, tf32=False):
        raise Told(device, tf32)

    for place in ("instruments.device", "profiling.deployed", "profiling.models"):
        monkeypatch.setattr(f"posebench.benchmark.{place}.use_device", use_device)
    with pytest.raises(Told) as told:
        posebench("profile", mode, "--tf32", "on", "--device", "cuda")
    assert told.value.args == ("cuda", True)
