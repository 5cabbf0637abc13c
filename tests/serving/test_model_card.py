import pytest

from tf_scenes.serving.model_card import model_card

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
    card = model_card("my_run", {**REPORT, "flags": {**REPORT["flags"], "model": model}})
    assert card.startswith("# my_run\n")
    assert "`multi_sprites`, 90,000 scenes of 64 x 64 pixels with 0 to 3 objects, seed 3" in card
    assert "8,000 steps of 64 images, 1,597,868 parameters, 36 minutes on A processor (2 cores)" in card
    assert "| count accuracy | 0.9843 | 0.9155 |" in card
    assert "| squared error per pixel | 0.0011 | 0.005 |" in card
    assert "correspondence |" not in card and "elbo" not in card.lower()  # What was not measured is left out.
    assert card.split("## Limits")[1].count("\n- ") >= 2
