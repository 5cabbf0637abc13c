"""Which pictures a pipeline finds, beside those that --mode=predict finds, and how it reads them."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

beam = pytest.importorskip("apache_beam", reason="Apache Beam is missing: pip install 'tf_scenes[beam]'")

from tests.beam import mapped_files  # noqa: E402 - Beam is an extra.
from tests.beam.collecting import collected  # noqa: E402
from tests.prediction.bright_spots import picture  # noqa: E402
from tf_scenes.beam.pictures import ERRORS, FindPictures, NamedPicture, ReadPictures, search_for  # noqa: E402
from tf_scenes.beam.progress import Progress  # noqa: E402
from tf_scenes.prediction.inputs import PictureFile, ResultNames, find_inputs  # noqa: E402

FILES = (
    "a.png",
    "b.TIF",
    "notes.txt",
    "plates/one.png",
    "plates/one.tif",
    "plates/ONE.png",
    "plates/[2]/well_1.png",
    "plates/[2]/well_10.png",
    "plates/deep/er/c.jpg",
    "plates/deep/scan.tif",
    "plates/deep/scan_page_0.png",
    ".hidden.png",
    "plates/.cache/d.png",
    "found/counts.csv",
    "found/objects.csv",
    "found/instances.json",
    "found/masks/a.png",
    "in_parts/counts-00000-of-00001.parquet",
    "in_parts/objects-00000-of-00001.parquet",
    "in_parts/instances-00000-of-00001.parquet",
    "in_parts/overlays/deep/a.png",
    "results/masks/e.png",
    "half/counts.csv",
    "half/f.bmp",
)


@pytest.fixture
def tree(tmp_path):
    for name in FILES:
        path = tmp_path / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return str(tmp_path / "all")


def _found(pattern, results):
    """The files, by name, with the path of each and the names of its results and of those of its second page."""
    pipeline = beam.Pipeline()
    found = pipeline | FindPictures(search_for(pattern, results), Progress())
    pictures, errors = collected(found["pictures"], "pictures"), collected(found[ERRORS], "errors")
    pipeline.run()
    named = {file.name: (file.path, names.of_file(file), names.of_page(file, 1)) for file, names in pictures}
    assert len(named) == len(pictures)
    return named, errors


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a.png",
        "plates",
        "plates/[[]2]",
        "*.png",
        "*/*.png",
        "**/*.png",
        "plates/**/*.tif",
        "**/deep/**/*.*",
        "**/plates/**/**/c.jpg",
        "plates/*",
        "*",
        "plates/o*.png",
        "half",
    ],
)
def test_files_and_names_are_those_of_predict(tree, monkeypatch, pattern):
    monkeypatch.chdir(tree)
    for path in (os.path.join(tree, pattern), pattern or "."):
        files = find_inputs(path, os.path.join(tree, "results"))
        names = ResultNames(files)
        expected = {
            file.name: (os.path.realpath(file.path), names.of_file(file), names.of_page(file, 1)) for file in files
        }
        found, errors = _found(os.path.abspath(path), os.path.join(tree, "results"))
        found = {name: (os.path.realpath(path), *names) for name, (path, *names) in found.items()}
        assert found == expected and not errors


def test_a_folder_whose_name_looks_like_a_pattern_is_that_folder(tree):
    found, _ = _found(os.path.join(tree, "plates", "[2]"), "results")
    assert set(found) == {"well_1.png", "well_10.png"}


def test_files_elsewhere_are_found_by_folder_by_file_and_by_pattern(tree, monkeypatch):
    monkeypatch.setitem(mapped_files.ROOT, "folder", tree)
    results = f"{mapped_files.PREFIX}results"
    for pattern in ("", "plates", "plates/", "a.png", "plates/**/*.tif", "plates/*.png"):
        found, _ = _found(mapped_files.PREFIX + pattern, results)
        expected = find_inputs(os.path.join(tree, pattern), os.path.join(tree, "results"))
        assert set(found) == {file.name for file in expected}
        for name, (path, *_) in found.items():
            assert path.startswith(mapped_files.PREFIX) and path.endswith(name)


def test_a_name_that_is_no_text_is_an_error(tree):
    with open(os.path.join(os.fsencode(tree), b"plates", b"caf\xe9.png"), "wb"):
        pass
    found, errors = _found(os.path.join(tree, "plates", "*.png"), "results")
    assert set(found) == {"one.png", "ONE.png"}
    assert [name for name, _ in errors] == ["caf\\udce9.png"] and "UTF-8" in errors[0][1]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_files_are_read_page_by_page_and_what_cannot_be_read_is_named(tmp_path, monkeypatch, elsewhere):
    monkeypatch.setitem(mapped_files.ROOT, "folder", str(tmp_path))
    Image.fromarray(picture([(2, 3, 9, 10)])).save(tmp_path / "one.png")
    pages = np.random.RandomState(0).randint(0, 60_000, (3, 20, 30)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="minisblack")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    folder = mapped_files.PREFIX if elsewhere else f"{tmp_path}/"
    files = [PictureFile(folder + name, name) for name in ("one.png", "pages.tif", "broken.png", "gone.png")]
    names = ResultNames(files)

    pipeline = beam.Pipeline()
    read = (
        pipeline
        | beam.Create([NamedPicture(file, names) for file in files])
        | beam.ParDo(ReadPictures(Progress())).with_outputs(ERRORS, main="images")
    )
    images, errors = collected(read.images, "images"), collected(read[ERRORS], "errors")
    pipeline.run()

    shown = {page.file: (path, page) for path, page in images}
    assert set(shown) == {"one.png", *(f"pages.tif[{number}]" for number in range(3))}
    np.testing.assert_array_equal(shown["one.png"][1].picture[..., 0], picture([(2, 3, 9, 10)]))
    for number in range(3):
        path, page = shown[f"pages.tif[{number}]"]
        np.testing.assert_array_equal(page.picture[..., 0], pages[number])
        assert (path, page.result_name) == (f"{folder}pages.tif", f"pages_page_{number}")
    reasons = dict(errors)
    assert set(reasons) == {"broken.png", "gone.png"}
    assert f"{folder}broken.png" in reasons["broken.png"] and "gone.png" in reasons["gone.png"]
