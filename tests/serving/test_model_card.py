import glob
import os

import pytest

from tests.conftest import ROOT
from tf_scenes.files import read_json
from tf_scenes.serving.model_card import measured_splits, model_card

SHIPPED = sorted(path.split(os.sep)[-2] for path in glob.glob(os.path.join(ROOT, "saved_models", "*", "")))
REPORT = {
    "test": {"images": 10_000, "count_accuracy": 0.9843, "correspondence": None, "foreground_iou": 0.91, "mse": 0.0011},
    "test_4": {"images": 10_000, "count_accuracy": 0.9155, "correspondence": None, "foreground_iou": 0.9, "mse": 0.005},
    "likelihood": {},
    "train_steps": 8_000,
    "train_seconds": 2168.0,
    "parameters": 1_597_868,
    "flags": {
        "model": "air", "dataset": "multi_sprites", "seed": 3, "train_size": 90_000, "image_size": 64, "min_objects": 0,
        "max_objects": 3, "batch_size": 64,
    },
    "machine": {"processor": "A processor", "cores": 2},
    "versions": {"tensorflow": "2.15.1", "python": "3.11"},
}  # fmt: skip


@pytest.mark.parametrize("model", ["lavae", "vae", "air", "discrete_air"])
def test_a_card_says_what_it_was_trained_on_what_it_reaches_and_its_limits(model):
    card = model_card("my/run", {**REPORT, "flags": {**REPORT["flags"], "model": model}}, finds_objects=model != "vae")
    assert card.startswith("# run\n")
    assert "`multi_sprites`, 90,000 scenes of 64 x 64 pixels with 0 to 3 objects, seed 3" in card
    assert "8,000 steps of 64 images, 1,597,868 parameters, 36 minutes on A processor (2 cores; other programs " in card
    assert "| count accuracy | 0.9843 | 0.9155 |" in card
    assert "| squared error per pixel | 0.0011 | 0.005 |" in card
    assert "correspondence |" not in card and "elbo" not in card.lower()  # What was not measured is left out.
    assert card.split("## Limits")[1].count("\n- ") >= 2
    digits = model_card("my/run", {**REPORT, "data": {"origin": "10,000 MNIST digits of a file"}}, finds_objects=True)
    assert "seed 3, without labels; made of 10,000 MNIST digits of a file." in digits
    assert ("--predict_models=my/run" in card) == (model != "vae")


def test_a_card_says_what_categories_turned_out_to_be():
    test = {**REPORT["test"], "category_names": {"1": "ring", "0": "bar"}, "category_use": [1200, 34, 0]}
    card = model_card("my/run", {**REPORT, "test": {**test, "swept_category_kept": 0.981}}, finds_objects=True)
    categories = card.split("## Categories")[1].split("## Limits")[0]
    assert "\n| 0 | bar | 1,200 |\n| 1 | ring | 34 |\n| 2 | none | 0 |\n" in categories
    assert "0.981 of what is drawn keeps its category." in categories
    assert "of what is drawn" not in model_card("my/run", {**REPORT, "test": test}, finds_objects=True)
    assert "## Categories" not in model_card("my/run", REPORT, finds_objects=True)


def test_a_card_says_what_is_to_know_of_the_export(make_config):
    flags = ("--export_note=The median of three seeds.", "--export_weights=float16")
    notes = make_config("--model=vae", *flags).serving.notes()
    card = model_card("my/run", {**REPORT, "notes": notes}, finds_objects=True)
    training = card.split("## Training")[1].split("##")[0]
    assert "\n- The median of three seeds.\n- Exported weights are kept in float16; " in training
    assert make_config("--model=vae").serving.notes() == []


@pytest.mark.parametrize("name", SHIPPED)
def test_cards_of_shipped_models_are_those_of_their_reports(name):
    folder = os.path.join("saved_models", name)
    report = read_json(os.path.join(ROOT, folder, "report.json"))
    with open(os.path.join(ROOT, folder, "README.md"), encoding="utf-8") as file:
        assert file.read() == model_card(folder, report, finds_objects=name != "vae")


def _photographed(**lavae):
    lavae = {f"lavae.{name}": value for name, value in lavae.items()}
    flags = {**REPORT["flags"], "model": "lavae", "dataset": "images", "crop_size": 48, **lavae}
    measured = {"images": 50, "count_accuracy": 0.4, "ap_50": 0.81, "ap_70": 0.6, "count_error": 1.25, "mse": 0.001}
    classical = {"images": 50, "ap_50": 0.727, "ap_70": 0.53, "count_error": 2.68}
    report = {name: value for name, value in REPORT.items() if name not in ("test", "test_4")}
    return {**report, "test": measured, "classical": {"test": classical}, "flags": flags}


def test_a_card_for_real_images_has_the_classical_numbers_beside_its_own():
    report = _photographed()
    card = model_card("saved_models/nuclei", report, finds_objects=True)
    assert "|  | test | test, Otsu + watershed |" in card
    assert "| average precision at an IoU of 0.5 | 0.81 | 0.727 |" in card
    assert "| mean absolute count error | 1.25 | 2.68 |" in card
    assert "| squared error per pixel | 0.001 | - |" in card
    assert "F1" not in card and "count accuracy" not in card  # Not measured, or of no use with many objects.
    assert "a user's own images, in crops of 48 x 48 pixels, without labels" in card
    quoted = model_card("e", {**report, "data": {"images_path": "x`<b>"}}, finds_objects=True)
    assert "the images of `x'<b>`" in quoted
    named = model_card("saved_models/nuclei", {**report, "data": {"images_path": "data/nuclei"}}, finds_objects=True)
    assert "the images of `data/nuclei`, in crops" in named


def test_validation_speaks_for_a_model_that_was_not_measured_on_test():
    report = _photographed()
    report["validation"], report["classical"]["validation"] = report["test"], report["classical"]["test"]
    assert measured_splits(report) == ["test"]
    del report["test"]
    assert measured_splits(report) == ["validation"]
    card = model_card("saved_models/nuclei", report, finds_objects=True)
    assert "|  | validation | validation, Otsu + watershed |" in card and "| 0.81 | 0.727 |" in card
    assert measured_splits(REPORT) == ["test", "test_4"]
    assert measured_splits({"likelihood": {}, "classical": {"test": {}}}) == []


def test_limits_of_lavae_depend_on_its_options():
    def limits(**options):
        return model_card("mine", _photographed(**options), finds_objects=True).split("## Limits")[1]

    # Reports from before an option was added do not have it.
    assert "binary, and objects as separate bright shapes on a black background." in limits()
    assert "median" not in limits() and "wider than 21 pixels" in limits()
    real = limits(likelihood="gaussian", background="smooth", background_spacing=16, normalize=True, generated_size=31)
    assert "binary" not in real and "black" not in real
    assert "noise" in real and "changes slowly, over 16 pixels or more" in real and "wider than 31 pixels" in real
    assert "half" in real and "all darker" in real
    assert "even background" in limits(background="constant")
    assert "not always its centre." in limits() and "in the middle of an object" in limits(sprites="convex")
    assert limits(an_option_that_is_gone=3) == limits()
