"""The house: imports run one way, and the options are free of TensorFlow."""

import ast
import pathlib
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PACKAGE = pathlib.Path(ROOT) / "tf_scenes"
# From the ground up: a room imports from itself and from those before it.
ROOMS = (
    ("errors", "stack", "shipped"),
    ("options", "files", "descriptions"),
    ("array_files", "flagfiles", "distributions", "layers"),
    ("data", "training"),
    ("models",),
    ("editing",),
    ("evaluation",),
    ("visualization", "serving", "prediction"),
    ("beam",),
    ("config",),
    ("app",),
    ("loading", "__main__"),
)
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _imported(path):
    """The package's modules that a file imports, as `room.module...`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tf_scenes":
            rest = node.module.split(".")[1:]
            # `from tf_scenes import files` names modules, `from tf_scenes.files import read_json` does not.
            yield from [".".join(rest)] if rest else [alias.name for alias in node.names if alias.name in FLOOR]
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("tf_scenes."))


def test_every_room_has_its_floor():
    assert {_room(path) for path in MODULES} == set(FLOOR)


@pytest.mark.parametrize("room", FLOOR)
def test_imports_run_one_way(room):
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {imported}"
        for path in MODULES
        if _room(path) == room
        for imported in _imported(path)
        if imported.split(".")[0] != room and FLOOR[imported.split(".")[0]] >= FLOOR[room]
    ]
    assert not wrong


def test_no_room_imports_a_model_except_discrete_air():
    """Discrete-AIR is built on AIR's loop; no other room of a model imports one, and nothing outside them does."""
    models = {path.parent.name for path in (PACKAGE / "models").glob("*/__init__.py")}
    found = set()
    for path in MODULES:
        parts = path.relative_to(PACKAGE).parts
        own = parts[1] if parts[0] == "models" and len(parts) > 2 else parts[0]
        for imported in _imported(path):
            words = imported.split(".")
            if words[0] == "models" and len(words) > 1 and words[1] in models and words[1] != own:
                found.add((own, words[1]))
    assert found == {("discrete_air", "air")}


def test_flags_need_no_tensorflow():
    """So that `--help` and errors in flags come at once."""
    code = "import sys, tf_scenes.config as config; config.Config(); print({'tensorflow', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "set()"
