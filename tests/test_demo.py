"""tools/demo.py with exported models that can be checked by hand."""

import os
import pathlib
import sys

import pytest
from PIL import Image

from tests.conftest import load_tool
from tests.prediction.bright_spots import BrightSpots, picture
from tests.serving.test_model_card import REPORT
from tf_scenes.files import write_json

SQUARES = ((2, 3, 8, 9), (20, 30, 26, 36))


class Exported(BrightSpots):
    """Stands in for an exported model."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def encode(self, images):
        return self.segment(images)

    def require_masks(self):
        pass


@pytest.fixture
def demo(monkeypatch, tmp_path):
    """The tool in a folder of its own, as its module, with models and a page in it."""
    module = load_tool("demo")
    monkeypatch.setattr(module, "ExportedModel", Exported)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["demo.py", "--models=models", "--page=page"])
    return module


def _write_model(name, **report):
    flags = {**REPORT["flags"], "model": "lavae", "dataset": "images", "crop_size": 16}
    classical = {"test": {"ap_50": 0.7}}
    measured = {"images": 2, "ap_50": 0.8125, "count_error": 1.25, "count_accuracy": 0.4}
    os.makedirs(os.path.join("models", name), exist_ok=True)
    write_json(
        os.path.join("models", name, "report.json"),
        {"flags": flags, "test": measured, "classical": classical, **report},
    )


def _write_pictures(folder, masks=True):
    for split, sizes in (("train", ((30, 40),)), ("test", ((30, 40), (50, 60), (30, 44)))):
        for number, size in enumerate(sizes):
            pixels = picture(SQUARES, size) // 2 + 20
            labels = picture(SQUARES[:1], size) // 255
            for kind, image in (("images", pixels), ("masks", labels)) if masks else (("images", pixels),):
                path = os.path.join(folder, split, kind, f"{number}.png")
                os.makedirs(os.path.dirname(path), exist_ok=True)
                Image.fromarray(image).save(path)


@pytest.mark.parametrize("masks", [True, False])
def test_objects_in_a_user_s_images_are_outlined_and_counted(demo, monkeypatch, masks):
    _write_pictures("pictures", masks)
    _write_model("mine", data={"images_path": "pictures"})
    sheets = []
    monkeypatch.setattr(demo.plots, "save", lambda sheet, path: sheets.append((sheet, path)))
    demo.main()
    page = pathlib.Path("page/index.html").read_text()
    measured = (
        "on held-out images it has an average precision (IoU 0.5) of 0.812 and a mean absolute count error of 1.25."
    )
    assert f"Trained on pictures without labels; {measured} Held-out photographs with the outlines" in page
    assert "<img src='mine.png'" in page and "count accuracy" not in page
    ((sheet, path),) = sheets
    assert path == os.path.join("page", "mine.png")
    titles = [text.get_text() for text in sheet.axes[0].texts if text.get_text().startswith("n = ")]
    assert sorted(titles) == ["n = 1"] * 3 * masks + ["n = 2"] * 3
    assert len(sheet.axes[0].images) == 3 * (2 + masks)


def test_a_model_whose_pictures_are_not_there_is_named_and_the_others_are_shown(demo, capsys):
    _write_pictures("pictures")
    _write_model("mine", data={"images_path": "pictures"})
    _write_model("moved", data={"images_path": "elsewhere"})
    _write_model("unknown")
    demo.main()
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in errors] == ["moved is not shown", "unknown is not shown"]
    assert "--images_path=elsewhere does not exist" in errors[0] and "does not say where its data is" in errors[1]
    page = pathlib.Path("page/index.html").read_text()
    assert page.count("<img") == 1 and page.count("Not shown") == 2
    assert os.path.getsize("page/mine.png") > 1_000

    os.rename("pictures", "gone")
    with pytest.raises(SystemExit, match="no model can be shown"):
        demo.main()
