"""The page of results, written from the reports of runs and from nothing else."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

import numpy as np
from scipy import stats

Report = Mapping[str, Any]
# Reports of each config, one for each seed.
Reports = Mapping[str, Sequence[Report]]

# What the papers report, by config and measure. LAVAE's table has lost its numbers in the text that this project has.
PAPERS: Mapping[str, Mapping[str, float]] = {
    "discrete_air_multi_sprites": {"count_accuracy": 0.985, "correspondence": 0.945},
    "discrete_air_multi_mnist": {"count_accuracy": 0.984, "correspondence": 0.871},
    "air_multi_sprites": {"count_accuracy": 0.981},
    "air_multi_mnist": {"count_accuracy": 0.985},
}
# LAVAE's configs, each with its baseline on the same scenes.
BASELINES = {
    "lavae": "vae",
    "lavae_multi_mnist": "vae_multi_mnist",
    "lavae_multi_mnist_10k": "vae_multi_mnist_10k",
}
# The section of a report that holds the arrays of `likelihood.npz`.
LIKELIHOOD_OF_IMAGES = "likelihood_of_images"
_EDIT_MEASURES = {
    "count_kept": "count kept",
    "asked_move": "asked move",
    "edited_location_error": "its location error",
    "other_location_change": "others' location change",
    "asked_restyle": "asked restyle",
    "edited_appearance_error": "its appearance error",
    "other_appearance_change": "others' appearance change",
    "other_category_kept": "others' category kept",
}


def results_page(reports: Reports, figures: Sequence[tuple[str, str]] = ()) -> str:
    """The page as Markdown: mean and standard deviation over seeds, beside what the papers report.

    Args:
        reports: of every config that has run; for the comparison with baselines also with `LIKELIHOOD_OF_IMAGES`.
        figures: what each figure shows, and its path from the page.
    """
    pictures = [f"**{text}**\n\n![{text}]({path})" for text, path in figures]
    pictures = ["## Figures", *pictures] if pictures else []
    sections = [
        _counting(reports),
        _likelihood(reports),
        _beside_baselines(reports),
        _disentanglement(reports),
        _canvases(reports),
    ]
    return "\n\n".join([_HEAD, *(section for section in sections if section), *pictures, _machines(reports)]) + "\n"


_HEAD = """# Results

Written by `make reproduce` from the `report.json` of each run; not by hand. Means over seeds, with the standard
deviation where there are several. `many` is the second test split, with more objects in each scene than training ever
had."""


def _counting(reports: Reports) -> str:
    header = [
        "config", "data set", "seeds", "count accuracy", "paper", "many", "correspondence", "paper",
        "foreground IoU", "squared error a pixel", "training, min",
    ]  # fmt: skip
    rows = []
    for config, runs in reports.items():
        paper = PAPERS.get(config, {})
        rows.append(
            [
                f"`{config}`",
                runs[0]["flags"]["dataset"],
                str(len(runs)),
                _over_seeds(runs, "test", "count_accuracy"),
                _number(paper.get("count_accuracy"), 3),
                _over_seeds(runs, _many(runs[0]), "count_accuracy"),
                _over_seeds(runs, "test", "correspondence"),
                _number(paper.get("correspondence"), 3),
                _over_seeds(runs, "test", "foreground_iou", digits=3),
                _over_seeds(runs, "test", "mse"),
                _mean_and_deviation([run["train_seconds"] / 60.0 for run in runs], digits=0),
            ]
        )
    text = (
        "## Counting, categories, reconstruction\n\n`paper` is what the papers report; LAVAE's numbers are missing "
        "from the text of it that this project has."
    )
    return f"{text}\n\n{_table(header, rows)}"


def _likelihood(reports: Reports) -> Optional[str]:
    rows = []
    for config, runs in _with(reports, "likelihood"):
        for split in runs[0]["likelihood"]:
            measured = [run["likelihood"][split] for run in runs]
            standard_error = np.mean([each["bound_standard_error"] for each in measured])
            rows.append(
                [
                    f"`{config}`",
                    split,
                    str(len(runs)),
                    _mean_and_deviation([each["bound"] for each in measured], digits=1),
                    f"{standard_error:.1f}",
                    _mean_and_deviation([each["elbo"] for each in measured], digits=1),
                    str(measured[0]["samples"]),
                    str(measured[0]["images"]),
                ]
            )
    header = ["config", "split", "seeds", "bound of log p(x)", "standard error", "ELBO", "samples", "images"]
    text = (
        "## Likelihood\n\nNats per image. Compare models with the same pixels only: LAVAE and the VAE have Bernoulli "
        "pixels, AIR and Discrete-AIR Gaussian ones."
    )
    return f"{text}\n\n{_table(header, rows)}" if rows else None


def _beside_baselines(reports: Reports) -> Optional[str]:
    rows = []
    for config, baseline in BASELINES.items():
        pairs = _on_the_same_images(reports.get(config, ()), reports.get(baseline, ()))
        splits = pairs[0][0]["likelihood"] if pairs else ()
        for split in splits:
            bound, elbo = (_differences(pairs, f"{split}_{name}") for name in ("bound", "elbo"))
            cells = [_mean_and_standard_error(bound), f"{np.mean(bound > 0.0):.3f}", _mean_and_standard_error(elbo)]
            rows.append([f"`{config}` - `{baseline}`", split, str(len(pairs)), *cells, str(len(bound))])
    header = ["models", "split", "seeds", "bound", "share of images above", "ELBO", "images"]
    text = (
        "## LAVAE beside the VAE, image by image\n\nThe difference in nats on the same images, with its standard "
        "error; what scenes have in common cancels."
    )
    return f"{text}\n\n{_table(header, rows)}" if rows else None


def _on_the_same_images(runs: Sequence[Report], others: Sequence[Report]) -> list[tuple[Report, Report]]:
    pairs = itertools.product(runs, others)
    having = [pair for pair in pairs if all(LIKELIHOOD_OF_IMAGES in report for report in pair)]
    return [(run, other) for run, other in having if _images(run) == _images(other)]


def _differences(pairs: Sequence[tuple[Report, Report]], name: str) -> np.ndarray:
    return np.concatenate([run[LIKELIHOOD_OF_IMAGES][name] - other[LIKELIHOOD_OF_IMAGES][name] for run, other in pairs])


def _images(report: Report) -> tuple[Any, ...]:
    """What it depends on, on which images a run's likelihood was measured."""
    sizes = {name: len(values) for name, values in report[LIKELIHOOD_OF_IMAGES].items()}
    return sizes, *(report["flags"].get(name) for name in ("dataset", "seed", "image_size"))


def _mean_and_standard_error(values: np.ndarray) -> str:
    return f"{values.mean():+.2f} ± {stats.sem(values):.2f}"


def _disentanglement(reports: Reports) -> Optional[str]:
    rows = []
    for config, runs in _with(reports, "disentanglement"):
        for edit in runs[0]["disentanglement"]:
            values = [_over_seeds(runs, "disentanglement", edit, name, digits=3) for name in _EDIT_MEASURES]
            rows.append([f"`{config}`", edit, *values])
    text = (
        "## One object edited, drawn and inferred again\n\nLocations in pixels, looks in standard deviations of the "
        "prior; `none` is the control, a scene drawn and inferred again as it is."
    )
    return f"{text}\n\n{_table(['config', 'edit', *_EDIT_MEASURES.values()], rows)}" if rows else None


def _canvases(reports: Reports) -> Optional[str]:
    rows = []
    for config, runs in _with(reports, "canvases"):
        for canvas, measured in runs[0]["canvases"].items():
            counts = [int(count) for count in measured["count_accuracy_by_count"]]
            rows.append(
                [
                    f"`{config}`",
                    canvas,
                    f"{min(counts)}-{max(counts)}",
                    _over_seeds(runs, "canvases", canvas, "count_accuracy"),
                    _over_seeds(runs, "canvases", canvas, "count_error", digits=3),
                    _over_seeds(runs, "canvases", canvas, "foreground_iou", digits=3),
                ]
            )
    header = ["config", "canvas", "objects", "count accuracy", "mean count error", "foreground IoU"]
    return f"## Larger canvases, more objects\n\n{_table(header, rows)}" if rows else None


def _machines(reports: Reports) -> str:
    seen = dict.fromkeys(
        f"{run['machine']['processor']}, {run['machine']['cores']} cores; TensorFlow {run['versions']['tensorflow']}, "
        f"Python {run['versions']['python']}"
        for runs in reports.values()
        for run in runs
    )
    return "## Machine\n\n" + "\n".join(f"- {machine}" for machine in seen)


def _with(reports: Reports, section: str) -> Iterable[tuple[str, Sequence[Report]]]:
    """The configs, with those of their runs that have a section."""
    for config, runs in reports.items():
        having = [run for run in runs if section in run]
        if having:
            yield config, having


def _many(report: Report) -> Optional[str]:
    return next((name for name in report if name.startswith("test_")), None)


def _over_seeds(runs: Sequence[Report], *path: Optional[str], digits: int = 4) -> str:
    values = []
    for run in runs:
        value = run
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        values.append(value)
    return "-" if None in values else _mean_and_deviation(values, digits)


def _mean_and_deviation(values: Sequence[float], digits: int) -> str:
    mean = _number(float(np.mean(values)), digits)
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def _number(value: Optional[float], digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
