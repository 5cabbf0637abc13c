"""The command line, as a user calls it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tf_scenes
from tests.conftest import ROOT, SMOKE, WITH_PACKAGE
from tf_scenes.app.modes import run_mode
from tf_scenes.errors import UserError

MAIN = [sys.executable, os.path.join(ROOT, "main.py")]
# Even smaller than the smoke run: these tests are about the job, not about learning.
TINY = (
    f"--flagfile={SMOKE}",
    "--image_size=32",
    "--sprite_size=10",
    "--test_size=40",
    "--validation_size=40",  # As many as in a test split, so that graphs for its batches serve both.
    "--train_steps=10",  # Not a multiple of what lies between two reports.
    "--steps_per_report=6",
    "--calibration_size=8",
    "--steps_per_execution=2",
    "--report_size=16",
    "--warm_up_images=0",  # tests/serving has them.
    "--lavae.generated_size=11",
    "--lavae.inference_blocks=1",
    "--lavae.generator_blocks=1",
    "--lavae.warm_up_steps=4",
    "--lavae.warm_up_decay_steps=4",
)


def _run(*arguments, check=True):
    result = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, cwd=ROOT)
    if check:
        assert result.returncode == 0, result.stderr
    return result


def _run_here(*arguments):
    """The same in this process, which has imported TensorFlow already; bad input raises a `UserError`."""
    # Determinism cannot be switched off again, for the tests that follow.
    run_mode(tf_scenes.config_of([*arguments, "--nodeterministic"]))


def _folders(path):
    return f"--run_dir={path / 'run'}", f"--export_dir={path / 'saved'}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished tiny run and what it printed."""
    path = tmp_path_factory.mktemp("trained")
    return path, _run(*TINY, *_folders(path))


def test_training_ends_in_report_figures_logs_and_export(trained):
    path, result = trained
    files = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert {
        "run/report.json",
        "run/flags.json",
        "run/figures/reconstructions_test.png",
        "run/figures/reconstructions_test_4.png",
        "run/figures/prior_samples.png",
        "saved/README.md",
        "saved/report.json",
        "saved/encoder/1/saved_model.pb",
        "saved/decoder/1/saved_model.pb",
    } <= files
    assert "count_accuracy" in result.stdout
    assert "ap_50" in result.stdout
    assert not [line for line in result.stderr.splitlines() if "oneDNN" in line or "Addons" in line or "cuda" in line]

    report = json.loads((path / "run/report.json").read_text())
    for split in ("test", "test_4"):
        assert set(report[split]) >= {
            "count_accuracy", "count_accuracy_by_count", "elbo", "reconstruction", "kl_count", "kl_location",
            "kl_appearance", "mse", "foreground_iou", "location_error", "images",
        }  # fmt: skip
        assert 0.0 <= report[split]["ap_50"] <= 1.0
        assert 0.0 <= report[split]["segmentation_covering"] <= 1.0
        assert report[split]["count_error"] >= 0.0
        terms = [report[split][name] for name in ("reconstruction", "kl_count", "kl_location", "kl_appearance")]
        assert report[split]["elbo"] == pytest.approx(terms[0] - sum(terms[1:]), rel=1e-4)
        assert report[split]["images"] == 40
    assert report["train_steps"] == 10
    assert report["train_seconds"] > 0
    assert report["parameters"] > 1_000
    assert report["flags"]["lavae.strides"] == 2
    assert report["versions"]["tensorflow"] == tf.__version__
    assert report["machine"]["cores"] >= 1


def test_tensorboard_has_groups_by_step_with_both_curves_in_a_chart(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path, _ = trained
    found, folders = {}, sorted(folder.name for folder in (path / "run/logs").iterdir())
    assert folders == ["train", "validation"]  # Two curves a run, and not more.
    for folder in folders:
        events = EventAccumulator(str(path / "run/logs" / folder), size_guidance={"tensors": 0}).Reload()
        found[folder] = {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}
    both = [f"elbo/{name}" for name in ("elbo", "reconstruction", "kl_count", "kl_location", "kl_appearance")]
    training = ["schedules/temperature", "schedules/auxiliary_weight", "schedules/learning_rate", "elbo/loss"]
    training += ["schedules/location_learning_rate", "counts/inferred_count", "data/images_per_second"]
    held_out = [f"counts/{name}" for name in ("count_accuracy", "count_missed", "validation_4_count_accuracy")]
    held_out += ["reconstructions/validation", "reconstructions/validation_4"]
    for folder, tags in (("train", both + training), ("validation", both + held_out)):
        assert all(found[folder][tag] == [6, 10] for tag in tags)
    assert [tag for tag in found["train"] if tag.startswith("weights/")]
    assert found["validation"]["flags"] == [0] and found["validation"]["results/test_count_accuracy"][0] == 10
    during = {tag for tags in found.values() for tag in tags if not tag.startswith("results/")}
    assert not any("test" in tag for tag in during)  # Not looked at in the course of training.
    assert all("/" in tag for tag in during - {"flags"} if "hparams" not in tag)


def test_the_projector_has_a_sprite_and_a_row_for_each_object(trained):
    path, _ = trained
    logs = path / "run/logs/validation"
    vectors = np.loadtxt(logs / "objects.tsv", ndmin=2)
    rows = (logs / "objects_metadata.tsv").read_text().splitlines()
    assert rows[0] == "y\tx\tpeak" and len(rows) == len(vectors) + 1 and vectors.shape[1] == 32
    side = int(np.ceil(np.sqrt(len(vectors))))
    assert Image.open(logs / "objects.png").size == (32 * side, 32 * side)
    assert 'tensor_path: "objects.tsv"' in (logs / "projector_config.pbtxt").read_text()


@pytest.mark.slow
def test_experiments_are_sections_of_the_report(trained):
    path, _ = trained
    small = ("--experiment_size=20", "--importance_samples=3", "--canvas_sizes=40,48", "--canvas_objects=5")
    fewer = "--experiment_size_many_objects=10"
    result = _run(*TINY, *_folders(path), "--mode=likelihood", *small, fewer)
    assert "bound_standard_error" in result.stdout
    _run(*TINY, *_folders(path), "--mode=canvases", *small)
    report = json.loads((path / "run/report.json").read_text())
    for split, images in (("test", 20), ("test_4", 10)):
        assert report["likelihood"][split]["samples"] == 3
        assert report["likelihood"][split]["images"] == images
        assert report["likelihood"][split]["bound"] >= report["likelihood"][split]["elbo"]
        of_images = np.load(path / "run" / "likelihood.npz")[f"{split}_bound"]
        assert of_images.mean() == pytest.approx(report["likelihood"][split]["bound"])
    assert set(report["canvases"]) == {"40 x 40", "48 x 48", "32 x 32, a pixel apart"}
    assert (path / "run/figures/canvas_48.png").stat().st_size > 1_000
    assert set(report["canvases"]["48 x 48"]["count_accuracy_by_count"]) <= set("012345")
    assert set(report["canvases"]["32 x 32, a pixel apart"]["count_accuracy_by_count"]) == {"4"}
    assert (path / "run/figures/canvas_pixels.png").stat().st_size > 1_000
    assert report["test"]["images"] == 40


@pytest.mark.slow
def test_a_finished_run_is_evaluated_and_exported_again(trained):
    path, _ = trained
    before = json.loads((path / "run/report.json").read_text())
    assert "Training is complete" in _run(*TINY, *_folders(path)).stdout
    assert json.loads((path / "run/report.json").read_text()) == before
    assert sorted(os.listdir(path / "saved/encoder")) == ["1", "2"]


@pytest.mark.slow
def test_a_run_is_exported_on_its_own(trained, tmp_path):
    path, _ = trained
    _run(*TINY, *_folders(path), "--mode=export", f"--export_dir={tmp_path}")
    assert os.listdir(tmp_path / "encoder") == ["1"]


def test_a_finished_run_draws_scenes(trained):
    path, _ = trained
    _run_here(*TINY, *_folders(path), "--mode=generate", "--num_generated=70", "--generated_max_objects=6")
    generated = np.load(path / "run/generated.npz")
    assert generated["images"].shape == (70, 32, 32, 1)
    assert generated["presence"].shape == (70, 6)
    assert set(generated["num_objects"]) == set(range(7))
    assert (path / "run/figures/generated.png").exists()


def test_scenes_are_edited_with_a_run_and_with_exported_models_alike(trained, tmp_path):
    path, _ = trained
    script, images = tmp_path / "edits.txt", tmp_path / "own.npz"
    script.write_text("reset  # what any model can do\n")
    np.savez(images, images=(np.random.RandomState(0).uniform(size=(9, 32, 40)) > 0.9).astype(np.uint8) * 255)
    common = (*TINY, "--mode=edit", f"--edit_path={script}", f"--edit_images={images}", "--num_edited=2")
    _run_here(*common, *_folders(path))
    _run_here(*common, f"--edit_models={path / 'saved'}", f"--run_dir={tmp_path / 'edited'}")
    by_run, by_export = (np.load(folder / "edited.npz") for folder in (path / "run", tmp_path / "edited"))
    assert by_run["images"].shape == (2, 2, 32, 40, 1)
    np.testing.assert_allclose(by_run["images"], by_export["images"], atol=1e-4)
    np.testing.assert_array_equal(by_run["images"][0], by_run["images"][1])
    assert (path / "run/figures/edited.png").exists() and (tmp_path / "edited/figures/edited.png").exists()


@pytest.mark.slow
def test_what_is_to_be_edited_must_be_there(trained, tmp_path):
    path, _ = trained
    (tmp_path / "edits.txt").write_text("reset\n")
    edit = (*TINY, f"--run_dir={tmp_path}", "--mode=edit", f"--edit_path={tmp_path / 'edits.txt'}")
    for flags, message in (
        ((f"--edit_models={tmp_path}",), "holds no exported model"),
        ((f"--edit_models={path / 'saved'}", "--edit_images=none.npz"), "none.npz does not exist"),
    ):
        result = _run(*edit, *flags, check=False)
        assert result.returncode != 0 and message in result.stderr and "Traceback" not in result.stderr


def test_a_run_and_its_export_are_loaded_as_the_same_kind_of_model(trained):
    path, _ = trained
    run, export = (tf_scenes.load(path / name) for name in ("run", "saved"))
    images = np.random.RandomState(0).randint(0, 256, (70, 32, 40, 1), np.uint8)  # More than are inferred at once.
    scenes = run.encode(images)
    assert all(isinstance(values, np.ndarray) and len(values) == 70 for values in scenes.values())
    for model in (run, export):
        assert model.channels == 1 and model.finds_objects
        as_floats = model.encode(images / np.float32(255))
        for name, values in model.encode(images).items():
            np.testing.assert_allclose(values, as_floats[name], atol=1e-5)
            if name in ("num_objects", "presence", "locations", "appearance"):
                np.testing.assert_allclose(values, scenes[name], atol=1e-4)
        grey = model.encode(images[..., 0])
        np.testing.assert_array_equal(grey["num_objects"], scenes["num_objects"])
        drawn = model.reconstruct(images)
        assert drawn.shape == images.shape and 0 <= drawn.min() <= drawn.max() <= 1
        np.testing.assert_allclose(drawn, model.decode(scenes, 32, 40), atol=1e-4)
        np.testing.assert_array_equal(model.decode(scenes), model.decode(scenes, 32, 32))  # As large as in training.
        boxes = model.boxes(images)
        assert [len(each) for each in boxes] == scenes["num_objects"].tolist()
        assert all((each[:, 2:] <= [32, 40]).all() for each in boxes)
        masks = model.masks(images)
        assert masks.shape == images.shape[:3] and masks.max() <= scenes["num_objects"].max()
        assert len(model.encode(images[:0])["num_objects"]) == 0


def test_what_cannot_be_loaded_or_inferred_is_one_line(trained, tmp_path):
    path, _ = trained
    with pytest.raises(UserError, match="is neither the folder of a run"):
        tf_scenes.load(tmp_path)
    model, exported = (tf_scenes.load(path / folder) for folder in ("run", "saved"))
    shapes = (2, 32, 32, 3), (2, 4, 32, 1), (32, 32), (2, 32, 32, 1, 1)
    for images in (*map(np.zeros, shapes), np.zeros((2, 32, 32, 1), int)):
        with pytest.raises(UserError, match="images must be"):
            model.encode(images)
    with pytest.raises(UserError, match="floats from 0 to 1"):
        model.encode(np.full((1, 32, 32), 2.0))
    scene = model.encode(np.zeros((1, 32, 32), np.uint8))
    with pytest.raises(UserError, match="both height and width"):
        model.decode(scene, 32)
    wrong = {
        "presence": (scene["presence"][0], r"presence must be as encode .* float32 with 2 axes: it is float32 \[12\]"),
        "locations": (scene["locations"][..., :1], r"locations must .* 3 axes and 2 values in the last: .*12, 1\]"),
        "appearance": (scene["appearance"].astype(str), "appearance must be as encode returns it, float32"),
    }
    for each in (model, exported):
        for name, (values, message) in wrong.items():
            with pytest.raises(UserError, match=message):
                each.decode({**scene, name: values})
        with pytest.raises(UserError, match=r"of different numbers of images: .*presence 2"):
            each.decode({**scene, "presence": np.repeat(scene["presence"], 2, axis=0)})
        for name, values, message in (
            ("presence", scene["presence"] + np.nan, "input presence must have values from -1,000,000 to 1,000,000"),
            ("presence", scene["presence"] + 2, "input presence must be 0 or 1"),
            ("locations", scene["locations"][:, :5], "must have as many scenes and slots as"),
            ("appearance", scene["appearance"] + np.float32(1e38), "input appearance must have values from"),
        ):
            with pytest.raises(UserError, match=message):
                each.decode({**scene, name: values})
        for size, message in (
            ((7, 32), "height=7 must be from 8 to 65,536 pixels"),
            ((32, 10**19), "width=1"),
            ((32, 32.5), "width=32.5 must be a whole number"),
            (("32", "32"), "height='32' must be a whole number"),
            ((60_000, 60_000), "need more than"),
        ):
            with pytest.raises(UserError, match=message):
                each.decode(scene, *size)
    del scene["locations"]
    for each in (model, exported):
        with pytest.raises(UserError, match=r"the scene lacks locations: .* appearance, locations, presence"):
            each.decode(scene)


def test_objects_in_files_are_predicted_with_a_run_and_with_an_exported_model_alone(trained, tmp_path, capsys):
    path, _ = trained
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.RandomState(number).uniform(size=(32, 30 + 5 * number)) > 0.9
        Image.fromarray(pixels.astype(np.uint8) * 255).save(folder / f"{number}.png")
    pictures = f"--predict_images={folder}"
    _run_here(*TINY, *_folders(path), "--mode=predict", pictures)
    printed, progress = capsys.readouterr()
    assert "in 3 images" in printed and "3/3" in progress
    exported = ("--mode=predict", pictures, f"--predict_models={path / 'saved'}", f"--predict_dir={tmp_path / 'out'}")
    _run_here(*exported)  # Without any flag of the run.
    for table in ("counts.csv", "objects.csv"):
        assert (path / "run" / "predictions" / table).read_text() == (tmp_path / "out" / table).read_text()
    assert (tmp_path / "out" / "counts.csv").read_text().startswith("file,num_objects\n0.png,")

    (folder / "broken.png").write_bytes(b"no picture")
    result = _run(*exported, check=False)
    assert result.returncode == 1 and "in 3 images" in result.stdout
    assert result.stderr.splitlines()[-1].startswith("Error: 1 of the pictures could not be used")
    assert str(folder / "broken.png") in result.stderr and "Traceback" not in result.stderr


def test_wrong_paths_of_predictions_are_reported_before_tensorflow_is_imported(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    for flags, message in (
        ((), "--mode=predict needs --predict_images"),
        (("--predict_images=nowhere",), "--predict_images=nowhere does not exist"),
        ((f"--predict_images={tmp_path}/*.tif",), "does not exist"),
        ((f"--predict_images={tmp_path}", f"--predict_models={tmp_path}"), "holds no exported model"),
        ((f"--predict_images={tmp_path}", "--predict_scale=0"), "predict_scale"),
    ):
        command = [sys.executable, "-X", "importtime", MAIN[1], "--mode=predict", *flags]
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        lines = result.stderr.splitlines()
        assert result.returncode == 1 and message in result.stderr and "Traceback" not in result.stderr
        assert not [line for line in lines if line.startswith("import time") and line.split()[-1] == "tensorflow"]


@pytest.mark.slow
def test_the_demo_shows_an_exported_model(trained, tmp_path):
    path, _ = trained
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny").symlink_to(path / "saved")
    demo = [sys.executable, os.path.join(ROOT, "tools", "demo.py"), f"--page={tmp_path / 'page'}"]
    subprocess.run([*demo, f"--models={tmp_path / 'models'}"], check=True, cwd=ROOT, env=WITH_PACKAGE)
    assert "tiny.png" in (tmp_path / "page" / "index.html").read_text()
    assert (tmp_path / "page" / "tiny.png").stat().st_size > 1_000
    empty = [*demo, f"--models={tmp_path}"]
    failed = subprocess.run(empty, capture_output=True, text=True, cwd=ROOT, env=WITH_PACKAGE)
    assert failed.returncode != 0 and "holds no exported model" in failed.stderr and "Traceback" not in failed.stderr


def test_results_are_written_from_reports_alone(trained, tmp_path):
    path, _ = trained
    (tmp_path / "runs" / "lavae").mkdir(parents=True)
    (tmp_path / "runs" / "lavae" / "seed_0").symlink_to(path / "run")
    tool = [sys.executable, os.path.join(ROOT, "tools", "reproduce.py"), "--only_page"]
    page = tmp_path / "results.md"
    flags = (f"--runs={tmp_path / 'runs'}", f"--page={page}")
    subprocess.run([*tool, *flags], check=True, cwd=ROOT, env=WITH_PACKAGE)
    report = json.loads((path / "run/report.json").read_text())
    assert (
        f"| `lavae` | {report['flags']['dataset']} | 1 | {report['test']['count_accuracy']:.4f} |" in page.read_text()
    )
    assert "](images/lavae_prior_samples.png)" in page.read_text()
    copied = (tmp_path / "images" / "lavae_prior_samples.png").read_bytes()
    assert copied == (path / "run/figures/prior_samples.png").read_bytes()
    empty = [*tool, f"--runs={tmp_path / 'none'}"]
    failed = subprocess.run(empty, capture_output=True, text=True, cwd=ROOT, env=WITH_PACKAGE)
    assert failed.returncode != 0 and "has a report yet" in failed.stderr


@pytest.mark.slow
def test_own_images_need_no_ground_truth(tmp_path):
    images = (np.random.RandomState(0).uniform(size=(300, 20, 28)) > 0.8).astype(np.uint8) * 255
    np.savez(tmp_path / "own.npz", images=images)
    own = ("--model=vae", "--vae.channels=4", "--dataset=images", f"--images_path={tmp_path / 'own.npz'}")
    _run_here(*TINY, *_folders(tmp_path), *own, "--train_steps=4")
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert "test_4" not in report
    assert report["test"]["count_accuracy"] is None
    assert report["test"]["elbo"] < 0
    (tmp_path / "own.npz").unlink()
    assert tf_scenes.load(tmp_path / "run").reconstruct(images[:3]).shape == (3, 20, 28, 1)
    np.savez(tmp_path / "own.npz", images=images)
    Image.new("L", (28, 20)).save(tmp_path / "a.png")
    predict = ("--mode=predict", f"--predict_images={tmp_path / 'a.png'}")
    with pytest.raises(UserError, match="--mode=predict needs a model that finds objects"):
        _run_here(*TINY, *_folders(tmp_path), *own, "--train_steps=4", *predict)
    assert not (tmp_path / "run" / "predictions").exists()


@pytest.mark.slow
def test_a_folder_of_pictures_of_many_sizes(tmp_path):
    random = np.random.RandomState(0)
    for split, sides in (("train", (40, 50, 20)), ("validation", (30, 40)), ("test", (40, 50, 40))):
        for number, side in enumerate(sides):
            for kind in ("images", "masks"):
                (tmp_path / split / kind).mkdir(parents=True, exist_ok=True)
            mask = np.zeros((side, 44), np.uint8)
            mask[5:12, 8:15], mask[15:, 25:30] = 1, 2
            image = np.where(mask > 0, 20, 200) + random.randint(0, 20, mask.shape)
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / split / "images" / f"{number}.png")
            Image.fromarray(mask).save(tmp_path / split / "masks" / f"{number}.png")
    own = ("--model=vae", "--vae.channels=4", "--dataset=images", f"--images_path={tmp_path}", "--crop_size=24")
    result = _run(*TINY, *_folders(tmp_path), *own, "--train_steps=4")
    assert "Images: 3 train, 2 validation, 3 test; with masks of those held out.\n" in result.stdout
    assert "Warning: 1 of 3 training images are smaller than --crop_size=24 and are left out.\n" in result.stdout
    assert "Warning: in most images objects are darker than the background" in result.stdout
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert {name: report[name]["images"] for name in ("validation", "test")} == {"validation": 2, "test": 3}

    one_split = ("--train_steps=4", "--mode=evaluate", "--evaluated_splits=validation")
    again = _run(*TINY, *_folders(tmp_path), *own, *one_split)
    header = next(line for line in again.stdout.splitlines() if line.startswith(" "))
    assert header.split() == ["validation", "validation", "(Otsu)"]
    assert "reconstructions_validation.png" in again.stdout and "reconstructions_test.png" not in again.stdout
    kept = json.loads((tmp_path / "run/report.json").read_text())
    assert kept["test"] == report["test"] and kept["classical"] == report["classical"]
    assert set(kept["classical"]) == {"validation", "test"}
    wrong = _run(*TINY, *_folders(tmp_path / "new"), *own, "--evaluated_splits=train", check=False)
    assert wrong.returncode != 0
    assert "--evaluated_splits=train names 'train': held-out splits of this data set are validation" in wrong.stderr
    assert not (tmp_path / "new" / "run" / "flags.json").exists()

    for kind in ("images", "masks"):
        (tmp_path / "test" / kind / "2.png").unlink()
    _run(*TINY, *_folders(tmp_path), *own, "--train_steps=4", "--mode=evaluate")
    assert json.loads((tmp_path / "run/report.json").read_text()) == kept
    (others,) = (tmp_path / "run").glob(f"report_{tmp_path.name}_*.json")
    assert json.loads(others.read_text())["test"]["images"] == 2
    assert next((tmp_path / "run").glob(f"figures_{tmp_path.name}_*/*.png"))

    (tmp_path / "train" / "images" / "1.png").unlink()
    other = _run(*TINY, *_folders(tmp_path), *own, "--train_steps=4", check=False)
    assert other.returncode != 0 and "holds a model of other training images: choose another --run_dir" in other.stderr
    assert json.loads((tmp_path / "run/report.json").read_text()) == kept


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch_size=0"], "batch_size"),
        (["--flagfile=configs/none.cfg"], "none.cfg"),
        (["--min_objects=9"], "--min_objects=9 is above"),
        (["stray"], "stray"),
        (["--dataset=multi_mnist_1k", "--mnist_path=nowhere"], "--mnist_path=nowhere does not exist"),
        (["--mode=evaluate"], "train first"),
        (["--image_size=40", "--many_objects=100"], "100 objects"),
    ],
)
def test_bad_input_is_reported_without_a_traceback(tmp_path, arguments, message):
    result = _run(*TINY, *_folders(tmp_path), *arguments, check=False)
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_finished_run_is_extended_by_any_number_of_steps(tmp_path):
    vae = ("--model=vae", "--vae.channels=4", "--dataset=multi_digits", "--steps_per_report=20", "--report_size=4")
    for steps in (10, 15, 40, 41, 95):
        _run_here(*TINY, *_folders(tmp_path), *vae, "--steps_per_execution=1", f"--train_steps={steps}")
        assert json.loads((tmp_path / "run/report.json").read_text())["train_steps"] == steps
    with pytest.raises(UserError, match=r"other flags: --train_steps=50 \(there: 95\)"):
        _run_here(*TINY, *_folders(tmp_path), *vae, "--steps_per_execution=1", "--train_steps=50")


@pytest.mark.slow
def test_a_loss_of_nan_stops_the_run_and_is_not_saved(tmp_path):
    hasty = ("--model=vae", "--vae.channels=4", "--learning_rate=1e9", "--steps_per_execution=1")
    result = _run(*TINY, *_folders(tmp_path), *hasty, check=False)
    assert result.returncode != 0
    assert "the loss became NaN" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list((tmp_path / "run").glob("checkpoints/*.index"))


def test_a_run_folder_of_other_flags_is_refused_and_kept(trained):
    path, _ = trained
    report = (path / "run/report.json").read_bytes()
    with pytest.raises(UserError, match=r"--lavae\.latent_dim=5 \(there: 32\)"):
        _run_here(*TINY, *_folders(path), "--lavae.latent_dim=5")
    assert (path / "run/report.json").read_bytes() == report


@pytest.mark.slow
def test_discrete_air_draws_what_it_learned_and_what_a_user_describes(tmp_path):
    flags = (
        f"--flagfile={os.path.join(ROOT, 'configs', 'smoke_discrete_air.cfg')}",
        "--test_size=40",
        "--train_steps=2",
        "--steps_per_report=2",
        "--steps_per_execution=2",
        "--warm_up_images=0",
        "--max_objects=1",
        "--many_objects=2",
        "--max_inferred_objects=2",
        "--attention.surroundings=0",
        "--discrete_air.pose=rotation",
        "--discrete_air.invariance_weight=0",
        *_folders(tmp_path),
    )
    _run(*flags)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert 0.0 <= report["test"]["correspondence"] <= 1.0
    assert {"descriptions_test.png", "descriptions_test_2.png", "attributes.png"} <= set(
        os.listdir(tmp_path / "run" / "figures")
    )
    scene = tmp_path / "scene.txt"
    label = next(iter(report["test"]["category_labels"].values()))
    scene.write_text(f"{label} 12 14 20 0 1.5\n3 36 30 18 45  # a second one\n")
    _run(*flags, "--mode=generate", f"--scene_path={scene}")
    drawn = np.load(tmp_path / "run" / "scene.npz")
    np.testing.assert_allclose(drawn["locations"], [[[14, 12], [30, 36]]])
    assert drawn["images"].shape == (1, 50, 50, 1) and drawn["images"].max() > 0.1
    _run("--mode=compare", f"--compare_runs={tmp_path / 'run'}", f"--run_dir={tmp_path / 'compared'}")
    assert (tmp_path / "compared" / "count_accuracy.png").stat().st_size > 1000
