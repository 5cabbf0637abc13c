import copy

import numpy as np

from tests.serving.test_model_card import REPORT
from tf_scenes.evaluation.results import LIKELIHOOD_OF_IMAGES, results_page


def _run(**changes):
    report = copy.deepcopy(REPORT)
    report["test"].update(changes)
    del report["likelihood"]
    return report


def _cells(page, section, start):
    """The cells of the first row of a section that begins with some text."""
    lines = page.split(f"## {section}")[1].split("\n## ")[0].splitlines()
    row = next(line for line in lines if line.startswith(f"| {start}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_means_and_deviations_over_seeds_stand_beside_the_papers_numbers():
    runs = [_run(count_accuracy=0.98, correspondence=0.9), _run(count_accuracy=0.99, correspondence=0.96)]
    page = results_page({"discrete_air_multi_sprites": runs, "air_multi_sprites": [_run()]})
    cells = _cells(page, "Counting", "`discrete_air_multi_sprites`")
    deviation = np.std([0.98, 0.99], ddof=1)
    assert cells[1:4] == ["multi_sprites", "2", f"0.9850 ± {deviation:.4f}"]
    assert cells[4] == "0.985" and cells[7] == "0.945"
    assert cells[5] == "0.9155 ± 0.0000"
    assert cells[6].startswith("0.9300 ± ")
    assert cells[10] == "36 ± 0"
    single = _cells(page, "Counting", "`air_multi_sprites`")
    assert single[3:8] == ["0.9843", "0.981", "0.9155", "-", "-"]
    assert "A processor, 2 cores; TensorFlow 2.15.1, Python 3.11" in page
    assert "## Likelihood" not in page and "## Larger canvases" not in page


def test_experiments_have_tables_of_the_runs_that_made_them():
    likelihood = {"bound": -80.04, "bound_standard_error": 1.26, "elbo": -95.0, "samples": 100, "images": 1_000}
    edits = {
        "none": {"scenes": 9, "count_kept": 1.0, "other_location_change": 0.1, "other_appearance_change": 0.2},
        "move": {"scenes": 8, "count_kept": 0.9, "asked_move": 20.0, "edited_location_error": 0.5},
    }
    canvases = {"96 x 96": {"count_accuracy": 0.9, "count_error": 0.125, "foreground_iou": 0.8}}
    canvases["96 x 96"]["count_accuracy_by_count"] = {"0": 1.0, "7": 0.9, "20": 0.8}
    whole = {**_run(), "likelihood": {"test": likelihood}, "disentanglement": edits, "canvases": canvases}
    page = results_page({"lavae": [whole, _run()]})
    assert _cells(page, "Likelihood", "`lavae`")[1:] == ["test", "1", "-80.0", "1.3", "-95.0", "100", "1000"]
    assert _cells(page, "One object edited", "`lavae` | move")[2:5] == ["0.900", "20.000", "0.500"]
    assert _cells(page, "One object edited", "`lavae` | none")[5] == "0.100"
    assert _cells(page, "Larger canvases", "`lavae`")[1:] == ["96 x 96", "0-20", "0.9000", "0.125", "0.800"]


def _measured(seed, test, test_7):
    report = _run()
    report["flags"]["seed"] = seed
    arrays = {"test_bound": test, "test_elbo": test - 10.0, "test_7_bound": test_7, "test_7_elbo": test_7}
    means = {"bound": 0.0, "bound_standard_error": 0.0, "elbo": 0.0, "samples": 1, "images": len(test)}
    return {**report, "likelihood": {"test": means, "test_7": means}, LIKELIHOOD_OF_IMAGES: arrays}


def test_lavae_and_vae_are_compared_on_the_same_images():
    scenes = np.random.RandomState(0).normal(-80.0, 60.0, [2, 1_000])  # What images differ by is the same for both.
    gain = np.random.RandomState(1).normal(4.0, 3.0, [2, 1_000])
    lavae = [_measured(seed, scenes[seed] + gain[seed], scenes[seed]) for seed in (0, 1)]
    page = results_page({"lavae": lavae, "vae": [_measured(0, scenes[0], scenes[0] + 2.0)]})
    cells = _cells(page, "LAVAE beside", "`lavae` - `vae` | test |")
    error = gain[0].std(ddof=1) / np.sqrt(1_000)
    assert cells[1:4] == ["test", "1", f"+{gain[0].mean():.2f} ± {error:.2f}"]
    assert cells[4] == f"{np.mean(gain[0] > 0):.3f}"
    assert cells[5] == cells[3] and cells[6] == "1000"
    assert _cells(page, "LAVAE beside", "`lavae` - `vae` | test_7 |")[3:5] == ["-2.00 ± 0.00", "0.000"]
    assert "## LAVAE beside" not in results_page({"lavae": lavae[1:], "vae": [_measured(0, scenes[0], scenes[0])]})
