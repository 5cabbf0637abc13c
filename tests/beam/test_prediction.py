"""The whole pipeline on real pictures, beside --mode=predict."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import tifffile
from PIL import Image

beam = pytest.importorskip("apache_beam", reason="Apache Beam is missing: pip install 'tf_scenes[beam]'")

import pyarrow.parquet  # noqa: E402 - it comes with Beam.

from tests.beam import mapped_files  # noqa: E402
from tests.conftest import ROOT, WITH_PACKAGE  # noqa: E402
from tf_scenes.app import beam_prediction, prediction  # noqa: E402
from tf_scenes.beam import tables  # noqa: E402
from tf_scenes.config import config_of  # noqa: E402
from tf_scenes.errors import UserError  # noqa: E402

MODEL = os.path.join(ROOT, "saved_models", "nuclei")
NUCLEI = os.path.join(ROOT, "data", "nuclei", "test", "images")
ALL_TABLES = ("counts", "objects", "instances", "errors")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Parts of real pictures, of several sizes and kinds; one file is broken, one image too small for any model."""
    folder = tmp_path_factory.mktemp("pictures")
    names = sorted(os.listdir(NUCLEI))
    sources = [np.asarray(Image.open(os.path.join(NUCLEI, name)).convert("L")) for name in names[:4]]
    (folder / "day 1").mkdir()
    for number, source in enumerate(sources):
        Image.fromarray(source[:96, :128]).save(folder / f"{number}.png")
        Image.fromarray(source[:64, :64]).save(folder / "day 1" / f"{number}.png")
    Image.fromarray(sources[0][:96, :128]).save(folder / "0.bmp")
    Image.fromarray(np.stack([sources[1][:80, :80]] * 3, axis=-1)).save(folder / "day 1" / "colours.png")
    pages = np.stack([source[:64, :64] for source in sources]).astype(np.uint16) * 257
    tifffile.imwrite(folder / "day 1" / "pages.tif", pages, photometric="minisblack")
    (folder / "day 1" / "broken.png").write_bytes(b"no picture")
    Image.fromarray(sources[0][:5, :5]).save(folder / "tiny.png")
    Image.fromarray(sources[2][:64, :64]).save(folder / 'a "name",\nwith two lines.png')
    return folder


@pytest.fixture(scope="module")
def plain(pictures, tmp_path_factory):
    """The results of --mode=predict."""
    folder = tmp_path_factory.mktemp("plain")
    with pytest.raises(UserError, match="2 of the pictures could not be used"):
        prediction.predict(config_of(["--mode=predict", *_flags(pictures, folder)]))
    return folder


def _flags(pictures, folder, model=MODEL):
    return [f"--predict_images={pictures}", f"--predict_models={model}", f"--predict_dir={folder}"]


def _predict(pictures, folder, *flags, model=MODEL, beam_options=()):
    config = config_of(["--mode=predict_beam", *_flags(pictures, folder, model), "--predict_shards=3", *flags])
    beam_prediction.predict(config, beam_options)


def _csv_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return Counter(map(tuple, csv.reader(file)))


def _parquet_rows(folder, table):
    """Rows of all parts, as in a CSV file."""
    paths = sorted(folder.glob(f"{table}-*.parquet"))
    names = pyarrow.parquet.read_schema(paths[0]).names
    rows = [row for path in paths for row in pyarrow.parquet.read_table(path).to_pylist()]
    return Counter([tuple(names), *(tuple(str(row[name]) for name in names) for row in rows)])


def _pictures_in(folder):
    return {
        os.path.relpath(os.path.join(inside, name), folder): open(os.path.join(inside, name), "rb").read()
        for kind in ("masks", "overlays")
        for inside, _, names in os.walk(os.path.join(folder, kind))
        for name in names
    }


def _assert_same_tables(folder, plain):
    for table in ("counts", "objects"):
        assert _parquet_rows(folder, table) == _csv_rows(plain / f"{table}.csv")
    annotations = json.loads((plain / "instances.json").read_text())
    images = {image["id"]: image for image in annotations["images"]}
    expected = Counter(
        (
            images[each["image_id"]]["file_name"],
            images[each["image_id"]]["height"],
            images[each["image_id"]]["width"],
            each["object"],
            each["category_id"],
            "object",
            str(each["bbox"]),
            each["area"],
            each["segmentation"]["counts"],
        )
        for each in annotations["annotations"]
    )
    names = ("file", "height", "width", "object", "category_id", "category", "bbox", "area", "segmentation")
    assert _parquet_rows(folder, "instances") == Counter({tuple(map(str, row)): 1 for row in expected} | {names: 1})


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_results_are_those_of_predict(pictures, plain, tmp_path, capsys, processes):
    options = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"] if processes == 2 else []
    with pytest.raises(UserError, match="2 of the pictures could not be used"):
        _predict(pictures, tmp_path, "--predict_csv", "--predict_pictures", beam_options=options)
    images = sum(_csv_rows(plain / "counts.csv").values()) - 1
    objects = sum(_csv_rows(plain / "objects.csv").values()) - 1
    said = capsys.readouterr()
    assert objects > 50 and f"Found {objects} objects in {images} images" in said.out
    files = sum(1 for path in pictures.rglob("*") if path.is_file())
    assert f"{files}/{files}" in said.err and "Traceback" not in said.err
    assert said.err.count("Skipped: ") == 2 and "tiny.png, 5 x 5 pixels" in said.err

    _assert_same_tables(tmp_path, plain)
    for table in ("counts", "objects"):
        assert _csv_rows(tmp_path / f"{table}.csv") == _csv_rows(plain / f"{table}.csv")
    assert _pictures_in(tmp_path) == _pictures_in(plain)
    errors = _parquet_rows(tmp_path, "errors")
    assert errors == _csv_rows(tmp_path / "errors.csv")
    reasons = dict(errors)
    assert {name for name, _ in reasons} == {"file", "day 1/broken.png", "tiny.png"}
    assert any(name == "tiny.png" and "5 x 5 pixels" in reason for name, reason in reasons)


@pytest.mark.slow
def test_started_again_after_a_failure_it_gives_the_same_with_no_part_twice_or_missing(
    pictures, plain, tmp_path, monkeypatch
):
    described = []

    def fails(page, *arguments):
        described.append(page)
        if len(described) == 6:
            raise RuntimeError("the worker was lost")
        return tables_picture_objects(page, *arguments)

    tables_picture_objects = tables.picture_objects
    with monkeypatch.context() as patch:
        patch.setattr(tables, "picture_objects", fails)
        with pytest.raises(UserError, match=r"the pipeline failed: .*the worker was lost"):
            _predict(pictures, tmp_path)
    assert not list(tmp_path.glob("counts-*"))
    for _ in range(2):
        with pytest.raises(UserError, match="2 of the pictures could not be used"):
            _predict(pictures, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {".lock"} | {
            f"{table}-{part:05}-of-00003.parquet" for table in ALL_TABLES for part in range(3)
        }
        _assert_same_tables(tmp_path, plain)


def test_no_earlier_row_stays_where_a_table_has_fewer_rows_than_files(tmp_path):
    (pictures := tmp_path / "pictures").mkdir()
    picture = np.asarray(Image.open(os.path.join(NUCLEI, sorted(os.listdir(NUCLEI))[0])).convert("L"))[:64, :64]
    Image.fromarray(picture).save(pictures / "a.png")
    _predict(pictures, found := tmp_path / "found")
    parts = sorted(found.glob("counts-*.parquet"))
    (full,) = (path for path in parts if pyarrow.parquet.read_metadata(path).num_rows)
    contents = full.read_bytes()
    for path in parts:  # Whichever of them the new row comes to.
        path.write_bytes(contents)
    (pictures / "a.png").rename(pictures / "b.png")
    _predict(pictures, found)
    assert sorted(name for name, _ in _parquet_rows(found, "counts").elements()) == ["b.png", "file"]


def test_other_parts_in_the_folder_are_not_mixed_with(pictures, tmp_path):
    (tmp_path / "counts-00000-of-00007.parquet").write_bytes(b"")
    for folder in (tmp_path, f"{tmp_path}/"):
        with pytest.raises(UserError, match="holds tables in 7 parts, and --predict_shards=3"):
            _predict(pictures, folder)


@pytest.mark.parametrize(("name", "flag"), [("objects.csv", "--predict_csv"), ("masks/0.png", "--predict_pictures")])
def test_older_results_do_not_stay_beside_new_tables(pictures, tmp_path, name, flag):
    (tmp_path / "masks").mkdir()
    (tmp_path / name).write_text("of an earlier prediction")
    with pytest.raises(UserError, match=f"holds .* of an earlier prediction: add {flag} "):
        _predict(pictures, tmp_path)
    assert (tmp_path / name).read_text() == "of an earlier prediction"


@pytest.mark.parametrize(("name", "flag"), [("counts.csv", "--predict_csv"), ("masks", "--predict_pictures")])
def test_what_stands_in_the_way_of_results_is_named_first(pictures, tmp_path, name, flag):
    if flag == "--predict_csv":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=f"{name} in it must be a"):
        _predict(pictures, tmp_path, flag)


def test_elsewhere_too_it_is_tried_first_whether_results_can_be_written(pictures, tmp_path, monkeypatch):
    def refuses(*_):
        raise PermissionError("no right to write here\nat all")

    monkeypatch.setitem(mapped_files.ROOT, "folder", str(tmp_path))
    monkeypatch.setattr(mapped_files.MappedFiles, "create", refuses)
    with pytest.raises(
        UserError, match=f"--predict_dir={mapped_files.PREFIX}found cannot be used: no right to write here$"
    ):
        _predict(pictures, f"{mapped_files.PREFIX}found")


@pytest.mark.slow
def test_pictures_models_and_results_may_be_elsewhere(pictures, plain, tmp_path, monkeypatch):
    monkeypatch.setitem(mapped_files.ROOT, "folder", str(tmp_path))
    monkeypatch.setitem(mapped_files.ROOT, "opened", [])
    subprocess.run(["cp", "-r", str(pictures), str(tmp_path / "pictures")], check=True)
    subprocess.run(["cp", "-r", MODEL, str(tmp_path / "model")], check=True)
    (tmp_path / "model" / "encoder" / "900").mkdir()  # Of an export that was killed: there is no such decoder.
    (tmp_path / "model" / "encoder" / "900" / "saved_model.pb").write_bytes(b"")
    there = mapped_files.PREFIX
    with pytest.raises(UserError, match="2 of the pictures could not be used"):
        _predict(f"{there}pictures", f"{there}found", "--predict_pictures", model=f"{there}model")
    _assert_same_tables(tmp_path / "found", plain)
    assert _pictures_in(tmp_path / "found") == _pictures_in(plain)
    opened = [path for path in mapped_files.ROOT["opened"] if path.startswith(f"{there}model/")]
    assert opened and not [path for path in opened if "/decoder/" in path or "/900/" in path]
    for half in ("encoder", "decoder"):
        (tmp_path / "half" / half).mkdir(parents=True)
    with pytest.raises(UserError, match=f"--predict_models: {there}half holds no exported model"):
        _predict(f"{there}pictures", f"{there}other", model=f"{there}half")


def test_what_cannot_be_used_is_said_before_the_pipeline_runs(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(beam_prediction, "add_prediction", None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    found = tmp_path / "found"
    for arguments, message in (
        ((tmp_path / "nowhere", found), "nowhere does not exist"),
        ((tmp_path / "empty", found), "empty does not exist, or holds nothing"),
        ((tmp_path / "file", found), "holds no picture: PNG, JPEG, BMP and TIFF"),
        (("gs://bucket/screen", found), "--predict_images=gs://bucket/screen cannot be reached: .*gs:// needs pip"),
        ((f"file://{pictures}", found), "paths of this machine have no scheme"),
        ((pictures, "gs://bucket/found"), "--predict_dir=gs://bucket/found cannot be reached"),
        ((pictures, tmp_path / "found[1]"), "must not have"),
        (("hdfs://host/screen", found), "--predict_images=hdfs://host/screen cannot be used"),
        ((tmp_path / "*.png", found), "does not exist"),
        ((pictures, tmp_path / "file"), "cannot be written to"),
    ):
        with pytest.raises(UserError, match=message):
            _predict(*arguments)
    for model, message in ((tmp_path, "no exported model"), (os.path.join(ROOT, "saved_models", "vae"), "not find")):
        with pytest.raises(UserError, match=message):
            _predict(pictures, found, model=model)
    for options, message in (
        (["--direct_num_worker=2"], "--direct_num_worker is no option of Apache Beam"),
        (["--direct_num_workers=two"], "invalid int value: 'two'"),
        (["--runner=NoRunner"], "Apache Beam refuses its options: .*NoRunner"),
        (["stray"], "unknown argument 'stray'"),
        (["--direct_num_workers=2", "stray"], "unknown argument 'stray'"),
    ):
        with pytest.raises(UserError, match=message):
            _predict(pictures, found, beam_options=options)
    assert not found.exists()


def test_other_machines_need_places_that_they_see(pictures, tmp_path):
    config = config_of(["--mode=predict_beam", f"--predict_images={pictures}", f"--predict_models={MODEL}"])
    with pytest.raises(UserError, match="--runner=FlinkRunner needs --predict_dir"):
        beam_prediction.predict(config, ["--runner=FlinkRunner", "--flink_master=nowhere:8081"])
    with pytest.raises(UserError, match="is on this machine, which Dataflow does not see"):
        _predict(pictures, tmp_path, beam_options=["--runner=DataflowRunner"])


def test_an_image_that_memory_cannot_hold_is_an_error_of_its_own(pictures, tmp_path, monkeypatch):
    def fails(description, height, width):
        if height == 80:
            raise MemoryError
        return picture_objects(description, height, width)

    picture_objects = tables.picture_objects
    monkeypatch.setattr(tables, "picture_objects", fails)
    with pytest.raises(UserError, match="2 of the pictures could not be used"):
        _predict(pictures / "day 1", tmp_path, "--predict_csv")
    errors = (tmp_path / "errors.csv").read_text()
    assert "colours.png, 80 x 80 pixels, is too large for this machine's memory" in errors and "broken.png" in errors


# What setup.cfg names, and what is imported; the first five the documentation's image installs. matplotlib and
# scikit-learn are not among them: other packages import these where they are installed.
_PACKAGES = {
    "tensorflow": "tensorflow",
    "scikit-image": "skimage",
    "pillow": "PIL",
    "tifffile": "tifffile",
    "pycocotools": "pycocotools",
    "tensorflow-probability": "tensorflow_probability",
    "tensorflow-addons": "tensorflow_addons",
    "tqdm": "tqdm",
}


def test_workers_need_no_code_of_models_or_of_training_and_only_packages_of_the_image():
    code = (
        "import sys, tf_scenes.beam.pipeline, tf_scenes.beam.worker\n"
        "rooms = ('models', 'training', 'evaluation', 'config', 'app')\n"
        "print([each for each in sys.modules if each.startswith(tuple(f'tf_scenes.{room}' for room in rooms))])\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=WITH_PACKAGE, check=True)
    rooms, modules, *_ = done.stdout.split("\n")
    with open(os.path.join(ROOT, "docs", "distributed.md"), encoding="utf-8") as page:
        (installed,) = [line for line in page if line.startswith("RUN pip install")]
    imported = {name for name, module in _PACKAGES.items() if module in modules.split()}
    assert rooms == "[]" and imported >= {"tensorflow", "scikit-image", "tifffile"}
    assert all(name in installed for name in imported)


@pytest.fixture(scope="module")
def plain_nuclei(tmp_path_factory):
    """The results of --mode=predict for all test images of nuclei."""
    folder = tmp_path_factory.mktemp("plain_nuclei")
    prediction.predict(config_of(["--mode=predict", *_flags(NUCLEI, folder)]))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_all_test_images_of_nuclei_by_the_command_which_was_killed_before(plain_nuclei, tmp_path, processes):
    start = {"capture_output": True, "text": True, "env": WITH_PACKAGE, "cwd": ROOT, "check": True}
    main = [sys.executable, os.path.join(ROOT, "main.py")]
    found = tmp_path / "beam"
    options = ["--direct_running_mode=multi_processing", f"--direct_num_workers={processes}"]
    command = [*main, "--mode=predict_beam", *_flags(NUCLEI, found), "--predict_pictures", "--", *options]

    with open(tmp_path / "said", "wb") as said:
        killed = subprocess.Popen(command, stdout=said, stderr=said, env=WITH_PACKAGE, cwd=ROOT, start_new_session=True)
        deadline = time.time() + 120
        while not list(found.glob("masks/*.png")):
            assert killed.poll() is None and time.time() < deadline
            time.sleep(0.1)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    assert list(found.glob("beam-temp-*")) and not list(found.glob("*.parquet"))

    done = subprocess.run(command, **start)
    assert "50 images" in done.stdout
    _assert_same_tables(found, plain_nuclei)
    assert _pictures_in(found) == _pictures_in(plain_nuclei)
    assert len(list(found.glob("[!.]*"))) == 2 + 16 * len(ALL_TABLES)
