"""Damaged files of every kind that a user has: each is read, or refused in one line that names it."""

import gzip
import io
import json
import os
import struct
import tracemalloc
import zipfile

import hypothesis
import numpy as np
import pytest
import tifffile
from hypothesis import strategies as st
from PIL import Image

from tests.campaign.answers import CAMPAIGN, answer, damaged
from tf_scenes.app.run_folder import read_report
from tf_scenes.array_files import read_arrays
from tf_scenes.config import config_of, flags_of_run, model_of_run
from tf_scenes.data.datasets import load_dataset
from tf_scenes.data.image_files import read_picture
from tf_scenes.data.label_images import as_label_image, read_label_pages
from tf_scenes.data.mnist import load_mnist
from tf_scenes.data.options import DataOptions
from tf_scenes.data.sprites import from_file
from tf_scenes.editing.edit_script import read_script
from tf_scenes.editing.scene_script import read_scene

RANDOM = np.random.RandomState(0)
RGB = RANDOM.randint(0, 256, (20, 24, 3)).astype(np.uint8)
LABELS = RANDOM.randint(0, 5, (20, 24)).astype(np.uint16)


def _saved(image, kind, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def _tiff(values, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def _npz(write=np.savez, **arrays):
    file = io.BytesIO()
    write(file, **arrays)
    return file.getvalue()


def _idx_bytes(values):
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def _idx(values):
    return gzip.compress(_idx_bytes(values), mtime=0)


DIGITS = RANDOM.randint(0, 256, (12, 28, 28)).astype(np.uint8)
MODEL = {"image_shape": [64, 64, 1], "inference_flags": {"seed": 1}, "paths": {"mnist_path": "a"}, "export_dir": "b"}
REPORT = {"flags": {"model": "lavae", "seed": 0}, "test": {"images": 10, "elbo": -1.0}, "train_steps": 10}
SCENE = b"square 20 20 12 0  # comment\n1 40 30 10 45 0.5\n"


def _images_in(path):
    return load_dataset(DataOptions(dataset="images", images_path=path), seed=0)


def _labels_in(path):
    return [as_label_image(page, path) for page in read_label_pages(path)]


def _scene_in(path):
    return read_scene(path, {"square": 0}, num_categories=3, num_attributes=1)


def _flags_in(path):
    return config_of([f"--flagfile={path}"])


# Name of the file, its contents when it is whole, and what reads it.
FILES = {
    "picture.png": (_saved(RGB, "PNG"), read_picture),
    "deep.png": (_saved(LABELS, "PNG"), read_picture),
    "picture.jpg": (_saved(RGB, "JPEG"), read_picture),
    "picture.bmp": (_saved(RGB, "BMP"), read_picture),
    "picture.tif": (_tiff(RGB, photometric="rgb"), read_picture),
    "stack.tif": (_tiff(np.stack([LABELS] * 3), photometric="minisblack", compression="zlib"), read_picture),
    "pillow.tif": (_saved(RGB, "TIFF", compression="tiff_lzw"), read_picture),
    "labels.png": (_saved(LABELS, "PNG"), _labels_in),
    "labels.tif": (_tiff(LABELS), _labels_in),
    "arrays.npz": (_npz(images=RGB), lambda path: read_arrays(path, required=("images",))),
    "compressed.npz": (_npz(np.savez_compressed, images=RGB), lambda path: read_arrays(path, required=("images",))),
    "images.npz": (_npz(images=RANDOM.randint(0, 256, (30, 16, 16)).astype(np.uint8)), _images_in),
    "sprites.npz": (_npz(sprites=1 + DIGITS // 2, labels=np.arange(12)), from_file),
    "t10k-images-idx3-ubyte.gz": (_idx(DIGITS), load_mnist),
    "flags.json": (json.dumps({"model": "vae", "vae.channels": 8, "seed": 3}).encode(), None),
    "model.json": (json.dumps(MODEL).encode(), None),
    "report.json": (json.dumps(REPORT).encode(), read_report),
    "edits.txt": (b"move 0 3 -2\nswap 0 1  # comment\nreset\n", read_script),
    "scene.txt": (SCENE, _scene_in),
    "run.cfg": (b"# Comment\n--model=vae\n--vae.channels=8\n--seed=3\n", _flags_in),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("files")
    (path / "t10k-labels-idx1-ubyte.gz").write_bytes(_idx(np.arange(12, dtype=np.uint8) % 10))
    return path


def _reader(name, folder):
    of_run = {"flags.json": flags_of_run, "model.json": model_of_run}
    return (lambda path: of_run[name](str(folder))) if name in of_run else FILES[name][1]


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read(name, folder):
    (folder / name).write_bytes(FILES[name][0])
    assert answer(_reader(name, folder), str(folder / name)) is None


@pytest.mark.parametrize("name", FILES)
def test_pipes_are_not_waited_for(name, folder):
    path = folder / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    try:
        assert name in answer(_reader(name, folder), str(path))
    finally:
        path.unlink()


def _zipped(array):
    """An archive with an array that goes on for 100 million bytes after the end that its header says."""
    file, member = io.BytesIO(), io.BytesIO()
    np.save(member, array)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", member.getvalue() + bytes(100_000_000))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("arrays.npz", _zipped(RGB)),
        ("t10k-images-idx3-ubyte.gz", gzip.compress(_idx_bytes(DIGITS) + bytes(100_000_000), mtime=0)),
    ],
    ids=["npz", "idx"],
)
def test_a_small_file_that_expands_is_refused_before_it_takes_memory(name, content, folder):
    (folder / name).write_bytes(content)
    tracemalloc.start()
    try:
        said = answer(FILES[name][1], str(folder / name))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert name in said and "header says" in said


@pytest.mark.campaign
@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_read_or_refused_by_their_name(name, folder):
    path, read = folder / name, _reader(name, folder)
    content = FILES[name][0]
    refused = []

    @hypothesis.settings(CAMPAIGN, max_examples=400)
    @hypothesis.given(damaged(content))
    def check(changed):
        path.write_bytes(changed)
        said = answer(read, str(path))
        if said is not None:
            refused.append(said)
            # Of what stands in a flagfile the flag is named.
            names = (name, name.replace("images-idx3", "labels-idx1"), *(["--", "flag"] if name == "run.cfg" else []))
            assert any(word in said for word in names)
            assert "\n" not in said

    check()
    assert refused  # Else nothing was damaged.


@pytest.mark.campaign
@pytest.mark.parametrize("name", FILES)
@hypothesis.settings(CAMPAIGN, max_examples=30)
@hypothesis.given(content=st.one_of(st.binary(max_size=200), st.text(max_size=60).map(lambda text: text.encode())))
def test_files_of_something_else_are_read_or_refused(name, folder, content):
    (folder / name).write_bytes(content)
    said = answer(_reader(name, folder), str(folder / name))
    assert said is None or "\n" not in said
