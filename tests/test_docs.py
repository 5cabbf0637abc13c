"""The documents: nothing is left to be filled in, and CONTRIBUTING's examples work as they are written."""

import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

from tests.conftest import ROOT

ROOT = pathlib.Path(ROOT)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("saved_models/*/*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_to_be_filled_in_and_all_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"@[A-Z]+@|TODO|FIXME", text)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not missing


def _block(beginning):
    """The block of code in CONTRIBUTING.md that begins with some text."""
    blocks = re.findall(
        r"^ *```\w*\n(.*?)^ *```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    (block,) = (each for each in map(textwrap.dedent, blocks) if each.startswith(beginning))
    return block


@pytest.mark.slow
def test_contributing_s_model_and_data_set_work_as_they_are_written(tmp_path):
    for name in ("tf_scenes", "configs", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "main.py", tmp_path)
    files = {
        "tf_scenes/models/patches/options.py": '"""Options of the VAE of patches."""',
        "tf_scenes/models/patches/model.py": '"""A VAE of patches: one Gaussian vector',
        "tf_scenes/models/patches/__init__.py": '"""A VAE of patches, each by itself."""',
        "configs/patches.cfg": "# The VAE of patches on scikit-learn's digits.",
    }
    (tmp_path / "tf_scenes/models/patches").mkdir()
    for path, beginning in files.items():
        (tmp_path / path).write_text(_block(beginning), encoding="utf-8")
    for path, beginning in (("sprites.py", "def bars("), ("scene_datasets.py", "def multi_bars(")):
        with open(tmp_path / "tf_scenes/data" / path, "a", encoding="utf-8") as file:
            file.write(f"\n\n{_block(beginning)}")
    registry = tmp_path / "tf_scenes/data/registry.py"
    first, row = '        DatasetEntry("multi_dsprites"', textwrap.indent(_block('DatasetEntry("multi_bars"'), " " * 8)
    registry.write_text(registry.read_text("utf-8").replace(first, f"{row}{first}"), encoding="utf-8")

    small = ("--train_size=64", "--test_size=8", "--validation_size=8", "--train_steps=20", "--steps_per_report=10")
    _run(tmp_path, "main.py", "--flagfile=configs/patches.cfg", *small)
    _run(tmp_path, "tools/check_export.py", "exports/patches")
    bars = ("--dataset=multi_bars", "--run_dir=runs/bars", "--export_dir=exports/bars")
    _run(tmp_path, "main.py", "--flagfile=configs/smoke.cfg", *bars, *small)
    assert (tmp_path / "runs/bars/report.json").exists()


def _run(folder, *command):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
