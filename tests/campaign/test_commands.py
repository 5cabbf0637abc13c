"""The command line itself: whatever is wrong is one line, a status that is not 0, and a folder as it was."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, SMOKE, WITH_PACKAGE

MAIN = os.path.join(ROOT, "main.py")
TINY = (f"--flagfile={SMOKE}", "--train_steps=2", "--steps_per_report=2", "--steps_per_execution=1")
SHIPPED = os.path.join(ROOT, "saved_models", "nuclei")
PREDICT = ("--mode=predict", f"--predict_models={SHIPPED}", "--predict_dir=found")
WITH_BEAM = ("--mode=predict_beam", f"--predict_models={SHIPPED}")
BEAM = (*WITH_BEAM, "--predict_dir=found")
EDIT = ("--mode=edit", "--edit_models=" + os.path.join(ROOT, "saved_models", "lavae"))
GREEDY = ("--vae.channels=4", "--model=vae", "--image_size=4096", "--sprite_size=8", "--train_size=1", "--test_size=1")

# Arguments, and what the line says.
BAD = {
    "no flags": ((), "nothing to do without flags"),
    "two dashes alone": (("--",), "nothing to do without flags"),
    "a run in a thousand folders": ((*TINY, f"--run_dir={'x/' * 1_200}y"), "too many folders within one another"),
    "a number of thousands of digits": ((*TINY, f"--canvas_sizes={'1' * 5_000}"), "must be whole numbers from 8 to"),
    "a file where a version goes": (
        (*TINY, "--run_dir=run", "--export_dir=numbered"),
        "--export_dir=numbered cannot be written to: encoder/1 in it must be a folder",
    ),
    "a file where a version is written": (
        (*TINY, "--run_dir=run", "--export_dir=begun"),
        "--export_dir=begun cannot be written to: decoder/unfinished in it must be a folder",
    ),
    "a stray word": (("stray",), "unknown argument 'stray'"),
    "a flag that does not exist": (("--batchsize=3",), "Did you mean: batch_size"),
    "a flag without its value": ((*TINY, "--seed"), "seed"),
    "a text with several lines": ((*TINY, "--mode=a\nb"), "--mode=a"),
    "an empty name of a flagfile": (("--flagfile=",), "--flagfile="),
    "a folder as flagfile": (("--flagfile=.",), "cannot read --flagfile=."),
    "a picture as flagfile": (("--flagfile=picture.png",), "cannot read --flagfile=picture.png"),
    "a flagfile that includes itself": (("--flagfile=circle.cfg",), "includes itself"),
    "an empty flagfile": (("--flagfile=empty.cfg",), "--flagfile=empty.cfg holds no flag"),
    "a file where checkpoints go": (
        (*TINY, "--run_dir=blocked", "--export_dir=exported"),
        "--run_dir=blocked cannot be written to: checkpoints in it must be a folder",
    ),
    "something else where the server's list of models goes": (
        (*TINY, "--run_dir=run", "--export_dir=served/mine"),
        "models.config is not a list of models",
    ),
    "a damaged description of a run": (("--mode=evaluate", "--run_dir=described"), "model.json is damaged"),
    "a text that is none": ((*TINY, "--run_dir=r\udcff"), "--run_dir='r\\udcff' must be one line of text"),
    "a run in a file": ((*TINY, "--run_dir=text.txt"), "--run_dir=text.txt cannot be written to"),
    "a run inside of a file": ((*TINY, "--run_dir=text.txt/run"), "--run_dir=text.txt/run cannot be written to"),
    "exports in a file": ((*TINY, "--export_dir=text.txt"), "--export_dir=text.txt cannot be written to"),
    "a run in /proc": ((*TINY, "--run_dir=/proc/run"), "--run_dir=/proc/run cannot be written to"),
    "a name that is too long": ((*TINY, f"--run_dir={'a' * 300}"), "cannot be written to"),
    "evaluation without a run": (("--mode=evaluate", "--run_dir=none"), "--run_dir=none holds no run"),
    "a pipeline's option before --": (
        (*BEAM, "--predict_images=picture.png", "--direct_num_workers=2"),
        "options of Apache Beam stand after --",
    ),
    "a pipeline's option that does not exist": (
        (*BEAM, "--predict_images=picture.png", "--", "--direct_number=2"),
        "--direct_number is no option of Apache Beam",
    ),
    "a pipeline's runner that does not exist": (
        (*BEAM, "--predict_images=picture.png", "--", "--runner=Sprinter"),
        "Apache Beam refuses its options",
    ),
    "pictures in a bucket that cannot be reached": (
        (*BEAM, "--predict_images=gs://bucket/pictures"),
        "--predict_images=gs://bucket/pictures cannot be",
    ),
    "a pipeline without pictures": ((*BEAM, "--predict_images=none"), "/none does not exist"),
    "a pipeline with a text as picture": ((*BEAM, "--predict_images=text.txt"), "holds no picture"),
    "a pipeline whose model is above": (
        (*BEAM, "--predict_images=picture.png", f"--predict_models={os.path.dirname(SHIPPED)}"),
        "folders in it have one: air_multi_sprites, ",
    ),
    "a pipeline with results in a file": (
        (*WITH_BEAM, "--predict_images=picture.png", "--predict_dir=text.txt"),
        "text.txt cannot be written to",
    ),
    "prediction without pictures": ((*PREDICT,), "--mode=predict needs --predict_images"),
    "pictures that do not exist": ((*PREDICT, "--predict_images=nowhere"), "--predict_images=nowhere does not exist"),
    "a folder without pictures": ((*PREDICT, "--predict_images=empty"), "empty"),
    "a model that is none": (
        ("--mode=predict", "--predict_images=picture.png", "--predict_models=empty"),
        "--predict_models=empty holds no exported model",
    ),
    "a damaged model": (
        ("--mode=predict", "--predict_images=picture.png", "--predict_models=damaged", "--predict_dir=found"),
        "damaged/encoder/1 cannot be loaded as a SavedModel",
    ),
    "results in a file": (
        ("--mode=predict", f"--predict_models={SHIPPED}", "--predict_images=picture.png", "--predict_dir=text.txt"),
        "--predict_dir=text.txt cannot be written to",
    ),
    "an edit script that does not exist": ((*EDIT, "--edit_path=none.txt"), "none.txt"),
    "an edit script of something else": ((*EDIT, "--edit_path=picture.png"), "picture.png"),
    "images to edit of other channels": (
        (*EDIT, "--edit_path=edits.txt", "--edit_images=grey.npz", "--run_dir=edited"),
        "--edit_images=grey.npz holds images with 1 channel",
    ),
    "an archive of something else": (
        (*EDIT, "--edit_path=edits.txt", "--edit_images=text.txt", "--run_dir=edited"),
        "text.txt is not an .npz archive",
    ),
    "images in a folder without any": (
        ("--model=vae", "--dataset=images", "--images_path=empty", "--run_dir=run", "--export_dir=exported"),
        "empty",
    ),
    "digits that do not exist": (
        ("--dataset=multi_mnist_1k", "--mnist_path=none", "--run_dir=run", "--export_dir=exported"),
        "--mnist_path=none does not exist",
    ),
    "sprites of something else": (
        ("--dataset=multi_custom", "--sprites_path=grey.npz", "--run_dir=run", "--export_dir=exported"),
        "grey.npz has no array 'sprites'",
    ),
    "a run without logs to compare": (
        ("--mode=compare", "--compare_runs=empty", "--run_dir=compared"),
        "empty",
    ),
    "more memory than there is": (
        (*GREEDY, "--batch_size=65536", "--run_dir=run", "--export_dir=exported"),
        "--batch_size=65,536 images of 4096 x 4096 pixels need more than",
    ),
}


# The same for other commands than main.py: their arguments, the variable of the environment, and what the line says.
NOT_MAIN = {
    "a cluster that is none": (("main.py", *TINY, "--strategy=multi_worker"), "{}", "TF_CONFIG"),
    "a client without a server": (("tools/client.py", "picture.png", "--server=localhost:1"), "", "picture.png: "),
    "a client without a picture": (("tools/client.py", "none.png"), "", "none.png"),
    "a client with a device": (("tools/client.py", "/dev/zero"), "", "/dev/zero: not a file"),
    "a client with a text": (("tools/client.py", "text.txt"), "", "text.txt"),
    "an export that does not exist": (("tools/check_export.py", "none"), "", "none holds no exported model"),
    "an export that is damaged": (("tools/check_export.py", "damaged"), "", "damaged/encoder/1 cannot be loaded"),
    "a conversion of no export": (("tools/export_onnx.py", "none", "onnx"), "", "none holds no exported model"),
    "a conversion into a file": (("tools/export_onnx.py", SHIPPED, "text.txt"), "", "text.txt"),
    "a page of no models": (("tools/page_models.py", "--models=,", "--output=page"), "", "--models=, must name one"),
    "a page of no model": (("tools/page_models.py", "--models=empty", "--output=page"), "", "empty holds no exported"),
    "a page in a file": (("tools/page_models.py", f"--models={SHIPPED}", "--output=text.txt"), "", "text.txt"),
    "a demo without models": (("tools/demo.py", "--models=empty", "--page=page"), "", "empty"),
    "a demo of models with a damaged report": (
        ("tools/demo.py", "--models=reported", "--page=page"),
        "",
        "report.json",
    ),
    "a demo in a file": (("tools/demo.py", f"--models={os.path.dirname(SHIPPED)}", "--page=text.txt"), "", "text.txt"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with files that are not what flags ask for."""
    path = tmp_path_factory.mktemp("commands")
    (path / "empty").mkdir()
    (path / "text.txt").write_text("mine")
    (path / "edits.txt").write_text("swap 0 1\n")
    (path / "empty.cfg").write_text("# Nothing yet.\n")
    for folder, name, text in (
        ("numbered/encoder", "1", ""),
        ("begun/decoder", "unfinished", ""),
        ("blocked", "checkpoints", ""),
        ("served", "models.config", "garbage"),
        ("described", "model.json", '{"paths": 5}'),
    ):
        (path / folder).mkdir(parents=True)
        (path / folder / name).write_text(text)
    (path / "circle.cfg").write_text("--flagfile=circle.cfg\n")
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(path / "picture.png")
    np.savez(path / "grey.npz", images=np.zeros((2, 64, 64), np.uint8))
    shutil.copytree(SHIPPED, path / "damaged")
    (weights,) = (path / "damaged" / "encoder" / "1" / "variables").glob("*.data*")
    weights.write_bytes(weights.read_bytes()[:1000])
    return path


def _listed(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.campaign
@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_one_line_and_nothing_is_left_behind(what, folder):
    arguments, words = BAD[what]
    _assert_one_line(folder, [MAIN, *arguments], WITH_PACKAGE, words)


@pytest.mark.campaign
@pytest.mark.parametrize("what", NOT_MAIN)
def test_so_it_is_with_other_commands(what, folder):
    (script, *arguments), cluster, words = NOT_MAIN[what]
    environment = {**WITH_PACKAGE, **({"TF_CONFIG": cluster} if cluster else {})}
    _assert_one_line(folder, [os.path.join(ROOT, script), *arguments], environment, words)


def _assert_one_line(folder, command, environment, words):
    before = _listed(folder)
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and words in line
    assert _listed(folder) == before
