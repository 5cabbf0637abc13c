"""The examples, run as a user would."""

import os
import subprocess
import sys

import nbclient
import nbformat
import pytest

from tests.conftest import ROOT

EXAMPLES = os.path.join(ROOT, "examples")


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom():
    notebook = nbformat.read(os.path.join(EXAMPLES, "scene_tour.ipynb"), as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs")], "the notebook is kept with its pictures"
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": EXAMPLES}}).execute()
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "as inferred    [7 7 7 7 7" in said
    assert "first removed  [6 6 6 6 6" in said
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in str(output)]
    assert len(pictures) == 5


@pytest.mark.slow
def test_the_script_trains_and_draws(tmp_path):
    script = [sys.executable, os.path.join(EXAMPLES, "train_in_python.py"), "3"]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "loss" in done.stdout and (tmp_path / "scenes.png").stat().st_size > 10_000
