"""A model that is defined outside the package goes through everything: flags, training, evaluation, export, edits."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.models import own_model
from tf_scenes.app import modes
from tf_scenes.errors import UserError
from tf_scenes.models import registry
from tf_scenes.serving.exported import ExportedModel

SCENES = (
    "--dataset=multi_digits",
    "--image_size=32",
    "--sprite_size=10",
    "--max_objects=1",
    "--many_objects=2",
    "--max_inferred_objects=2",
    "--test_size=30",
    "--validation_size=30",
    "--train_steps=60",
    "--batch_size=16",
    "--steps_per_report=30",
    "--report_size=30",
    "--learning_rate=5e-2",
    "--learning_rate_final=5e-2",
    "--calibration_size=8",
    "--warm_up_images=0",
    "--nodeterministic",
)


@pytest.fixture(scope="module")
def registered():
    registry.register(own_model.ENTRY)
    yield
    registry.unregister(own_model.ENTRY.name)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The folder of the run and of what it exports."""
    return tmp_path_factory.mktemp("spot")


@pytest.fixture(scope="module")
def run(registered, make_config, path):
    """Runs a mode of the trained model, with its own flags."""

    def run_mode(*arguments):
        folders = (f"--run_dir={path / 'run'}", f"--export_dir={path / 'saved'}")
        modes.run_mode(make_config("--model=spot", "--spot.glow_dim=4", *SCENES, *folders, *arguments))

    run_mode("--mode=train")
    return run_mode


@pytest.mark.usefixtures("run")
def test_it_is_trained_evaluated_and_exported(path):
    report = json.loads((path / "run/report.json").read_text())
    assert report["flags"]["spot.glow_dim"] == 4
    assert "lavae.latent_dim" not in report["flags"]
    # It sees a spot wherever there is anything, and there is one digit or none.
    assert report["test"]["count_accuracy"] == 1.0
    assert report["test_2"]["count_accuracy"] == 0.0
    assert {"reconstruction", "kl_glow"} < set(report["test"])
    assert "A spot of light." in (path / "saved/README.md").read_text()
    assert (path / "run/figures/reconstructions_test.png").exists()


@pytest.mark.usefixtures("run")
def test_training_taught_it_something(path):
    from tf_scenes.visualization.curves import read_curve

    steps, elbos = read_curve(str(path / "run"), "elbo")
    assert list(steps) == [30, 60]
    assert elbos[-1] > elbos[0] + 1.0


@pytest.mark.usefixtures("run")
def test_its_own_fields_go_through_the_exported_models(path):
    model = ExportedModel(str(path / "saved"))
    images = np.zeros((2, 40, 48, 1), np.float32)
    images[0, 10:17, 20:27] = 1.0
    description = model.encode(images)
    assert description["glow"].shape == (2, 2, 4)
    np.testing.assert_array_equal(description["num_objects"], [1, 0])
    np.testing.assert_allclose(description["locations"][0, 0], [13.0, 23.0], rtol=1e-5)
    assert not description["glow"][1].any()
    np.testing.assert_array_equal(description["brightness"], [[1.0], [0.0]])
    pictures = model.decode(description, 40, 48)
    assert pictures[0, 9:18, 19:28].min() > 0.0
    assert not pictures[1].any()


def test_scenes_are_generated_and_edited(run, path, tmp_path):
    run("--mode=generate", "--num_generated=20")
    assert np.load(path / "run/generated.npz")["glow"].shape == (20, 1, 4)
    script = tmp_path / "edits.txt"
    script.write_text("move 0 3 -2\nsample 0\n")
    run("--mode=edit", f"--edit_path={script}", "--num_edited=2")
    assert np.load(path / "run/edited.npz")["images"].shape == (3, 2, 32, 32, 1)


def test_it_predicts_by_run_and_by_export_alike(run, path, tmp_path):
    pixels = np.zeros((2, 32, 36), np.uint8)
    pixels[0, 10:17, 20:27] = 255
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    run("--mode=predict", f"--predict_images={tmp_path}")
    exported = (f"--predict_models={path / 'saved'}", f"--predict_dir={tmp_path / 'exported'}")
    run("--mode=predict", f"--predict_images={tmp_path}", *exported)
    by_run, by_export = path / "run" / "predictions", tmp_path / "exported"
    assert (by_run / "counts.csv").read_text() == "file,num_objects\n0.png,1\n1.png,0\n"
    assert (by_export / "counts.csv").read_text() == (by_run / "counts.csv").read_text()
    assert (by_export / "objects.csv").read_text() == (by_run / "objects.csv").read_text()
    header, row = (line.split(",") for line in (by_run / "objects.csv").read_text().splitlines())
    assert header[9:] == ["locations_y", "locations_x", "glow_0", "glow_1", "glow_2", "glow_3"]
    assert row[9:11] == ["13.0", "23.0"]
    assert np.asarray(Image.open(by_run / "masks" / "0.png"))[9:18, 19:28].any()


def test_its_options_are_checked_like_any_others(registered, make_config):
    with pytest.raises(UserError, match=r"spot\.glow_dim"):
        make_config("--model=spot", "--spot.glow_dim=0")
    with pytest.raises(UserError, match=r"--spot\.glow_dim=0 must be a whole number, 1 or more"):
        own_model.SpotOptions(glow_dim=0)


def test_a_name_that_is_taken_is_refused(registered):
    with pytest.raises(ValueError, match="there is a model 'spot' already"):
        registry.register(own_model.ENTRY)
