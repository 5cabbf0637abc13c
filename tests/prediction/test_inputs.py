import numpy as np
import pytest
from PIL import Image

from tf_scenes.errors import UserError
from tf_scenes.prediction.inputs import PictureFile, ResultNames, find_inputs


@pytest.fixture
def folder(tmp_path):
    for name in ("pictures/a.png", "pictures/b.tif", "pictures/day 1/a.png", "pictures/day 1/results/masks/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("pictures", ["a.png", "b.tif", "day 1/a.png"]),
        ("pictures/day 1/a.png", ["a.png"]),
        ("pictures/*.png", ["a.png"]),
        ("pictures/*/a.png", ["day 1/a.png"]),
        ("pictures/**/*.png", ["a.png", "day 1/a.png"]),
    ],
)
def test_files_have_their_paths_within_the_folder_asked_about_and_results_are_not_read(folder, pattern, names):
    found = find_inputs(str(folder / pattern), str(folder / "pictures" / "day 1" / "results"))
    assert sorted(each.name for each in found) == names
    for each in found:
        assert each.path.endswith(each.name) and Image.open(each.path)


def test_paths_may_be_relative(folder, monkeypatch):
    monkeypatch.chdir(folder / "pictures")
    assert find_inputs("b*", "results") == [PictureFile("b.tif", "b.tif")]
    assert find_inputs("b.tif", "results") == [PictureFile("b.tif", "b.tif")]
    assert {each.name for each in find_inputs(".", "day 1/results")} == {"a.png", "b.tif", "day 1/a.png"}


def test_pictures_among_the_results_alone_are_refused(folder):
    with pytest.raises(UserError, match="holds pictures only in the folder of the results"):
        find_inputs(str(folder / "pictures"), str(folder / "pictures"))
    # A folder whose name merely begins alike is another one.
    assert len(find_inputs(str(folder / "pictures"), str(folder / "pict"))) == 4


def test_no_two_results_have_the_same_name():
    files = ["a.png", "b.TIF", "A.tif", "b_page_1.png", "day/a.png", "day/c.tif.png", "c.tif", "c.jpg", "c.tif.jpg"]
    files = [PictureFile(name, name) for name in files]
    names = ResultNames(files)
    of_files = {file.name: names.of_file(file) for file in files}
    assert of_files["b.TIF"] == "b" and of_files["day/a.png"] == "day/a" and of_files["b_page_1.png"] == "b_page_1"
    assert of_files["a.png"] == "a.png" and of_files["A.tif"] == "A.tif"
    of_pages = [names.of_page(file, page) for file in files for page in range(3)]
    assert of_pages[3:6] == ["b_page_0", "b.TIF_page_1", "b_page_2"]
    every = [each.lower() for each in (*of_files.values(), *of_pages)]
    assert len(set(every)) == len(every) == 4 * len(files)
