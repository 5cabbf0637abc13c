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
    runs[0]["train_seconds"] += 600.0  # Beside other work: the shorter time is the one that says something.
    page = results_page({"discrete_air_multi_sprites": runs, "air_multi_sprites": [_run()]})
    cells = _cells(page, "Counting", "`discrete_air_multi_sprites`")
    deviation = np.std([0.98, 0.99], ddof=1)
    assert cells[1:4] == ["multi_sprites", "2", f"0.9850 ± {deviation:.4f}"]
    assert cells[4] == "0.985" and cells[7] == "0.945 in the table, 0.956 in the text; best 0.967"
    assert cells[5] == "0.9155 ± 0.0000"
    assert cells[6].startswith("0.9300 ± ")
    assert cells[10:] == ["0.096", "36"]
    second = _cells(page, "Each seed", "`discrete_air_multi_sprites`, seed 3 | 0.99")
    assert second[1:] == ["0.9900", "0.9155", "0.9600", "-", "0.910", "0.0011", "36"]
    assert "`air_multi_sprites`" not in page.split("## Each seed")[1].split("\n## ")[0]
    single = _cells(page, "Counting", "`air_multi_sprites`")
    assert single[3:8] == ["0.9843", "0.981", "0.9155", "-", "-"]
    assert "A processor, 2 cores; TensorFlow 2.15.1, Python 3.11" in page
    assert "## Likelihood" not in page and "## Larger canvases" not in page


def test_the_worst_seed_and_the_number_of_those_that_work_are_told():
    runs = [_run(count_accuracy=0.9995), _run(count_accuracy=0.9979), _run(count_accuracy=0.999)]
    for run, many in zip(runs, (0.9853, 0.9961, 0.9847)):
        run["test_4"] = {**run["test_4"], "count_accuracy": many}
    for config, works in (("lavae", "1 of 3"), ("air_multi_sprites", "-")):  # It is asked of LAVAE alone.
        assert _cells(results_page({config: runs}), "Each seed", f"`{config}` |")[1:] == ["0.9979", "0.9847", works]


def test_categories_are_listed_for_each_seed():
    labels = {"category_names": {"2": "bar", "0": "ring"}, "category_use": [30, 4, 25], "correspondence": 0.94}
    page = results_page({"discrete_air_multi_mnist": [_run(**labels, swept_category_kept=0.913)]})
    cells = _cells(page, "Categories", "`discrete_air_multi_mnist`, seed")
    assert cells[1:] == ["0.9400", "ring: 30, none: 4, bar: 25", "0.913"]
    without = results_page({"air_multi_mnist": [_run(category_names=None)]})
    assert "## Categories" not in without


def test_experiments_have_tables_of_the_runs_that_made_them():
    likelihood = {"bound": -80.04, "bound_standard_error": 1.26, "elbo": -95.0, "samples": 100, "images": 1_000}
    edits = {
        "none": {"scenes": 9, "count_kept": 1.0, "other_location_change": 0.1, "other_appearance_change": 0.2},
        "move": {"scenes": 8, "count_kept": 0.9, "asked_move": 20.0, "edited_location_error": 0.5},
    }
    canvases = {"96 x 96": {"count_accuracy": 0.9, "count_error": 0.125, "foreground_iou": 0.8}}
    canvases["96 x 96"]["count_accuracy_by_count"] = {"0": 1.0, "7": 0.9, "20": 0.8}
    whole = {**_run(), "likelihood": {"test": likelihood}, "disentanglement": edits, "canvases": canvases}
    whole["factors"] = {
        "test": {"label_linear": 0.669, "label_neural": 0.983, "size_linear": 0.86, "mig": 0.08, "objects": 998}
    }
    page = results_page({"lavae": [whole, _run()]})
    assert _cells(page, "Likelihood", "`lavae`")[1:] == ["test", "1", "-80.0", "-80.0", "1.3", "-95.0", "100", "1000"]
    assert _cells(page, "One object edited", "`lavae` | move")[2:6] == ["1", "0.900", "20.000", "0.500"]
    assert _cells(page, "One object edited", "`lavae` | none")[6] == "0.100"
    told = _cells(page, "What appearances say", "`lavae`")
    assert (told[1:4], told[4], told[6], told[-2:]) == (["1", "0.669", "0.983"], "-", "0.860", ["0.080", "998"])
    assert _cells(page, "Larger canvases", "`lavae`")[1:] == ["96 x 96", "0-20", "0.9000", "0.125", "0.800"]


_OUTLINED = {
    "ap_50": 0.8, "ap_70": 0.6, "ap": 0.5, "f1": 0.888, "panoptic_quality": 0.7, "count_error": 1.25,
    "box_ap_50": 0.78, "ari_foreground": 0.82, "segmentation_covering": 0.76,
    "relative_count_error": 0.05, "count_accuracy": 0.4, "count_accuracy_by_count": {"30": 1.0},
}  # fmt: skip
_OTSU = {**_OUTLINED, "ap_50": 0.727, "count_error": 2.68, "count_accuracy": None}


def _photographed(seed, ap_50, validation=True):
    report = {**_run(), "test": {**_OUTLINED, "ap_50": ap_50, "images": 50}, "classical": {"test": _OTSU}}
    del report["test_4"]
    report["flags"].update(seed=seed, dataset="images")
    if validation:
        report["validation"], report["classical"]["validation"] = {**_OUTLINED, "ap_50": 0.1}, {**_OTSU, "ap_50": 0.664}
    return report


def test_real_images_stand_beside_classical_segmentation_and_in_no_other_table():
    runs = [_photographed(seed, ap_50) for seed, ap_50 in ((0, 0.75), (2, 0.81))]
    page = results_page({"nuclei": runs, "air_multi_sprites": [_run()]})
    mean = _cells(page, "Real images", "`nuclei`, mean of 2 seeds | test |")
    deviation = np.std([0.75, 0.81], ddof=1)
    assert mean[2:4] == [f"0.780 ± {deviation:.3f}", "0.600 ± 0.000"]
    assert mean[13] == "36"
    rest = ["0.600", "0.500", "0.780", "0.888", "0.700", "0.820", "0.760", "1.25", "0.050", "0.400", "36"]
    assert _cells(page, "Real images", "`nuclei`, seed 0 | test |")[2:] == ["0.750", *rest]
    assert _cells(page, "Real images", "`nuclei`, seed 2 | test |")[2:] == ["0.810", *rest]
    assert _cells(page, "Real images", "Otsu + watershed | test |")[2:11:8] == ["0.727", "2.68"]
    assert _cells(page, "Real images", "`nuclei`, seed 2 | validation |")[2] == "0.100"
    assert _cells(page, "Real images", "Otsu + watershed | validation |")[2] == "0.664"
    assert page.count("`nuclei`") == 2 * 3
    assert _cells(page, "Counting", "`air_multi_sprites`")[3] == "0.9843"
    assert "## Real images" not in results_page({"air_multi_sprites": [_run()]})


def test_a_page_of_real_images_alone_has_no_empty_tables_and_no_mean_of_one_seed():
    page = results_page({"nuclei": [_photographed(1, 0.8, validation=False)]})
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## Real images", "## Machine"]
    assert "mean of" not in page.split("IoU 0.5 | AP at")[1] and "| validation |" not in page


def test_outlines_in_the_papers_scenes_have_a_table_where_all_seeds_have_them():
    def outlined(ari, **many):
        boxes = {"box_ap_50": 0.97, "box_ap": 0.92}
        report = _run(ap_50=0.99, ap=0.9, **boxes, ari_foreground=ari, ari_of_several=0.88, segmentation_covering=0.95)
        report["test_4"].update(many)
        return report

    page = results_page({"lavae": [outlined(0.9, ap_50=0.7), outlined(0.8)], "vae": [_run()]})
    deviation = np.std([0.9, 0.8], ddof=1)
    cells = _cells(page, "Outlines", "`lavae` | test |")
    shown = ["0.990 ± 0.000", "0.900 ± 0.000", "0.970 ± 0.000", "0.920 ± 0.000", f"0.850 ± {deviation:.3f}"]
    assert cells[2:] == ["2", *shown, "0.880 ± 0.000", "0.950 ± 0.000"]
    assert "| test_4 |" not in page and "`vae` | test" not in page
    assert "## Outlines" not in results_page({"vae": [_run()]})

    earlier = outlined(0.7)
    del earlier["test"]["box_ap"]
    page = results_page({"lavae": [outlined(0.9), earlier]})
    all_seeds, whole = (line.split(" | ")[2:] for line in page.splitlines() if line.startswith("| `lavae` | test |"))
    assert all_seeds[:5] == ["2", "0.990 ± 0.000", "0.900 ± 0.000", "0.970 ± 0.000", "-"]
    assert whole[:6] == ["1", "0.990", "0.900", "0.970", "0.920", "0.900"]


def _measured(seed, test, test_7):
    report = _run()
    report["flags"]["seed"] = seed
    arrays = {"test_bound": test, "test_elbo": test - 10.0, "test_7_bound": test_7, "test_7_elbo": test_7}
    means = {"bound": 0.0, "bound_standard_error": 0.0, "elbo": 0.0, "samples": 1, "images": len(test)}
    return {**report, "likelihood": {"test": means, "test_7": means}, LIKELIHOOD_OF_IMAGES: arrays}


def test_the_likelihood_says_what_each_seed_s_is_and_of_how_many_images():
    runs = [_measured(seed, np.zeros(number), np.zeros(5)) for seed, number in ((0, 40), (1, 20), (2, 40))]
    runs[1]["likelihood"]["test"]["bound"] = -3.0
    page = results_page({"lavae": runs})
    cells = _cells(page, "Likelihood", "`lavae` | test |")
    assert cells[2:5] == ["3", "-1.0 ± 1.7", "0.0, -3.0, 0.0"] and cells[-1] == "40, 20"


def test_lavae_and_vae_are_compared_on_the_same_images():
    scenes = np.random.RandomState(0).normal(-80.0, 60.0, [2, 1_000])  # What images differ by is the same for both.
    gain = np.random.RandomState(1).normal(4.0, 3.0, [2, 1_000])
    lavae = [_measured(seed, scenes[seed] + gain[seed], scenes[seed]) for seed in (0, 1)]
    page = results_page({"lavae": lavae, "vae": [_measured(0, scenes[0], scenes[0] + 2.0)]})
    cells = _cells(page, "LAVAE beside", "`lavae` - `vae` | test |")
    error = gain[0].std(ddof=1) / np.sqrt(1_000)
    assert cells[1:5] == ["test", "1", f"{gain[0].mean():.1f}", f"+{gain[0].mean():.2f} ± {error:.2f}"]
    assert cells[5] == f"{np.mean(gain[0] > 0):.3f}"
    assert cells[6] == cells[4] and cells[7] == "1000"
    assert _cells(page, "LAVAE beside", "`lavae` - `vae` | test_7 |")[4:6] == ["-2.00 ± 0.00", "0.000"]
    both = [_measured(seed, scenes[seed], scenes[seed] + 2.0) for seed in (0, 1)]
    cells = _cells(results_page({"lavae": lavae, "vae": both}), "LAVAE beside", "`lavae` - `vae` | test |")
    means, every = gain.mean(axis=1), gain.ravel()
    assert cells[2:4] == ["2", f"{means.mean():.1f} ± {means.std(ddof=1):.1f}"]
    assert cells[4] == f"+{every.mean():.2f} ± {every.std(ddof=1) / np.sqrt(2_000):.2f}" and cells[7] == "2000"
    assert "## LAVAE beside" not in results_page({"lavae": lavae[1:], "vae": [_measured(0, scenes[0], scenes[0])]})
    fewer = [_measured(0, scenes[0, :300], scenes[0, :200])]
    cells = _cells(results_page({"lavae": lavae, "vae": fewer}), "LAVAE beside", "`lavae` - `vae` | test |")
    assert cells[4].startswith(f"+{gain[0, :300].mean():.2f} ") and cells[7] == "300"


def test_objects_from_the_prior_stand_beside_inferred_ones():
    runs = [_run(), _run()]
    for run, alike in zip(runs, (0.75, 0.85)):
        prior = {"best_iou": 0.9, "alike": alike, "objects": 1000}
        run["likeness"] = {"inferred": {"best_iou": 0.95, "alike": 0.997, "objects": 1000}, "prior": prior}
    deviation = np.std([0.75, 0.85], ddof=1)
    expected = ["2", "0.950 ± 0.000", "0.997 ± 0.000", "0.900 ± 0.000", f"0.800 ± {deviation:.3f}"]
    assert _cells(results_page({"air": runs}), "Objects from the prior", "`air`")[1:] == [*expected, "-", "-"]
    for run in runs:
        run["likeness"]["fitted"] = {"best_iou": 0.93, "alike": 0.97, "objects": 1000}
    cells = _cells(results_page({"lavae": runs}), "Objects from the prior", "`lavae`")
    assert cells[1:] == [*expected, "0.930 ± 0.000", "0.970 ± 0.000"]
