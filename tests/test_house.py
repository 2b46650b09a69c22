"""The map of the house, read from the imports: arrows point down, and nothing goes in a circle."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from posebench.pose.reductions import reduction_names

ROOT = Path(__file__).resolve().parents[1]
#: each room with the rooms below it, which alone it may import; row.py is a room of its own
BELOW = {
    "pose": set(),
    "row": {"pose"},
    "benchmark": {"row", "pose"},
    "reports": {"row", "pose"},
    "sweeps": {"benchmark", "reports", "row", "pose"},
    "testing": {"benchmark", "row", "pose"},
    "commands": {"sweeps", "benchmark", "reports", "testing", "row", "pose"},
    "cli": {"commands", "pose"},
    "__main__": {"cli"},
}
#: the same inside reports
REPORTS_BELOW = {
    "analysis": set(),
    "tables": {"analysis"},
    "plots": {"analysis"},
    "page": {"analysis", "tables", "plots"},
    "report": {"analysis", "plots", "page"},
    "github": set(),
}


def modules():
    """Every module of the package by its path of names: ("pose", "models", "zoo"); a package without __init__."""
    rooms = [init.parent for init in ROOT.glob("*/__init__.py")]
    files = [*ROOT.glob("*.py"), *(file for room in rooms for file in room.rglob("*.py"))]
    paths = {file: file.relative_to(ROOT).with_suffix("").parts for file in files}
    return {parts[:-1] if parts[-1] == "__init__" else parts: file for file, parts in paths.items()}


MODULES = modules()


def imports(module):
    """The modules that one imports, at its top, inside functions, and for its types."""
    file = MODULES[module]
    package = module if file.name == "__init__.py" else module[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ("absolute",)
            base = (*start, *(node.module.split(".") if node.module else ()))
            targets = [(*base, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [("absolute", *alias.name.split(".")) for alias in node.names]
        else:
            continue
        for target in targets:
            if target[:2] == ("absolute", "posebench"):
                target = target[2:]
            name = target if target in MODULES else target[:-1]
            if name in MODULES and name != ():
                yield name


GRAPH = {module: set(imports(module)) - {module} for module in MODULES if module}


def circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [".".join(name) for name in error.args[1]]
    return []


def test_every_module_is_read_and_imports_inside_functions_count():
    assert len(GRAPH) > 100
    assert ("reports", "report") in GRAPH["commands", "sweep"], "which imports it lazily"


@pytest.mark.parametrize(("rooms", "within"), [(BELOW, ()), (REPORTS_BELOW, ("reports",))])
def test_a_room_imports_nothing_but_rooms_below_it(rooms, within):
    depth = len(within)
    upward = [
        f"{'.'.join(module)} imports {'.'.join(other)}"
        for module, others in GRAPH.items()
        if module[:depth] == within and len(module) > depth
        for other in others
        if other[:depth] == within and len(other) > depth and other[depth] != module[depth]
        and other[depth] not in rooms[module[depth]]
    ]  # fmt: skip
    assert upward == []


def test_no_module_and_no_folder_imports_itself_in_a_circle():
    assert circle(GRAPH) == []

    def folder(module):
        return module if MODULES[module].name == "__init__.py" else module[:-1]

    folders = {}
    for module, others in GRAPH.items():
        folders.setdefault(folder(module), set()).update(folder(other) for other in others)
    # The root holds rooms of its own (row.py, cli.py), which the test above places.
    del folders[()]
    inside = {name: others - {name, ()} for name, others in folders.items()}
    assert circle(inside) == []


def test_the_rooms_import_inside_the_package_relatively():
    absolute = [
        ".".join(module)
        for module, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "posebench"
    ]
    assert absolute == []


def test_reports_know_no_reduction_by_its_name():
    """Their descriptors say what is to be said of them; words that CSS and matplotlib use are left out."""
    names = set(reduction_names()) - {"none", "first", "block", "norm"}
    texts = [
        (module, node.value)
        for module, file in MODULES.items()
        if module[:1] == ("reports",)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert [(module, text) for module, text in texts if names & set(re.findall(r"\w+", text))] == []


@pytest.mark.parametrize(
    ("opening", "place"),
    [("InferenceSession(", "onnx_session"), ("core.compile_model(", "openvino")],
)
def test_networks_in_other_runtimes_are_opened_in_one_place(opening, place):
    opens = [module for module, file in MODULES.items() if opening in file.read_text(encoding="utf-8")]
    assert opens == [("benchmark", "runtimes", place)]
