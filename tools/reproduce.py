"""Makes every experiment of the results page: python tools/reproduce.py, or make reproduce.

Each run is a call of `main.py`. Whatever exists already is not made again, so a reproduction that was killed resumes
where it stopped, and more seeds take one flag: python tools/reproduce.py --seeds=5. Several runs side by side use
processor cores better than one: --side_by_side=2. Runs of several days or machines make one page if each keeps its
reports in the same folder, --keep=FOLDER: what is whole there is not made again.
"""

import argparse
import functools
import os
import re
import shutil
import sys
from typing import Any

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from tf_scenes.app.drawing import compare
from tf_scenes.app.endings import one_line_errors
from tf_scenes.app.run_folder import read_report
from tf_scenes.array_files import read_arrays
from tf_scenes.config import config_of, flag_differences
from tf_scenes.evaluation.results import LIKELIHOOD_OF_IMAGES, OUTLINE_MEASURES, results_page
from tf_scenes.files import require_kinds, require_writable, write_text
from tf_scenes.visualization.curves import has_curves, keep_curves
from tools.side_by_side import call, complete_all

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# By config: the default number of seeds, and the experiments besides training and evaluation: the mode, and its flags.
OBJECTS = (("disentanglement",), ("factors",), ("likeness",))
OF_AIR = (("likelihood",), *OBJECTS)
# The whole test split: a mean over 1,000 images is known to 2 nats only. Scenes of 7 objects take far longer,
# and there models differ by many times as much.
WHOLE = ("likelihood", "--experiment_size=10000", "--experiment_size_many_objects=250")
OF_LAVAE = (WHOLE, *OBJECTS, ("canvases",))
OF_VAE = (WHOLE, ("factors",))
PLAN = {
    "nuclei": (3, ()),
    "lavae": (5, OF_LAVAE),
    "lavae_multi_mnist": (3, OF_LAVAE),
    "lavae_multi_mnist_10k": (3, OF_LAVAE),
    "vae": (5, OF_VAE),
    "vae_multi_mnist": (3, OF_VAE),
    "vae_multi_mnist_10k": (3, OF_VAE),
    "air_multi_sprites": (3, OF_AIR),
    "air_multi_sprites_nvil": (1, OF_AIR),
    "air_multi_mnist": (3, OF_AIR),
    "air_multi_mnist_observations": (1, ()),
    "discrete_air_multi_sprites": (3, OF_AIR),
    "discrete_air_multi_mnist": (3, OF_AIR),
    "discrete_air_multi_mnist_observations": (1, ()),
    "paper_discrete_air_multi_sprites": (1, ()),
    "paper_discrete_air_multi_mnist": (1, ()),
}

# What the page is made of, in a run's folder.
_REPORT, _LIKELIHOODS = "report.json", "likelihood.npz"
# Figures of the page: config, whose first seed is shown; file; the mode that writes it, with its flags; caption.
NINE = ("generate", "--generated_max_objects=9")
EDIT = ("edit", f"--edit_path={os.path.join(ROOT, 'configs', 'edits', 'three_objects.txt')}")
EDIT_7 = (*EDIT, "--edit_split=test_7")
DESCRIBED = ("generate", f"--scene_path={os.path.join(ROOT, 'configs', 'scenes', 'four_shapes.txt')}")
FIGURES = (
    ("nuclei", "reconstructions_test.png", ("evaluate",), "LAVAE on held-out images of nuclei, trained without labels"),
    ("lavae", "reconstructions_test_7.png", ("evaluate",), "LAVAE on 7 objects, trained on 0-3 (its paper's figure 8)"),
    (
        "lavae",
        "edited.png",
        EDIT,
        "LAVAE: objects swapped, moved, restyled, blended, sampled, removed (figures 3, 6, 7)",
    ),
    ("lavae", "edited_test_7.png", EDIT_7, "LAVAE: the same in scenes of 7 objects (figure 8)"),
    ("lavae", "traversals.png", ("evaluate",), "LAVAE: single variables of an appearance from -2 to 2"),
    ("lavae", "prior_samples.png", ("evaluate",), "LAVAE: samples from the prior (figures 2, 4)"),
    ("lavae", "fitted_samples.png", ("evaluate",), "LAVAE: appearances from the mixture fitted after training"),
    ("vae", "prior_samples.png", ("evaluate",), "The VAE's samples, for comparison"),
    ("lavae", "generated.png", NINE, "LAVAE: the same, with the count uniform on 0-9 (figure 9)"),
    ("lavae", "canvas_128.png", ("canvases",), "LAVAE on 128 x 128 with up to 20 objects, trained on 64 x 64 with 0-3"),
    ("lavae", "canvas_pixels.png", ("canvases",), "LAVAE on 7 objects as close as a pixel, trained on frames apart"),
    ("lavae_multi_mnist_10k", "reconstructions_test_7.png", ("evaluate",), "LAVAE on 7 digits, trained on 0-3"),
    ("lavae_multi_mnist_10k", "edited.png", EDIT, "LAVAE: digits swapped, moved, restyled, blended, sampled, removed"),
    ("lavae_multi_mnist_10k", "edited_test_7.png", EDIT_7, "LAVAE: the same in scenes of 7 digits"),
    ("lavae_multi_mnist_10k", "traversals.png", ("evaluate",), "LAVAE: single variables of a digit from -2 to 2"),
    ("lavae_multi_mnist_10k", "prior_samples.png", ("evaluate",), "LAVAE: digits from the prior"),
    ("lavae_multi_mnist_10k", "fitted_samples.png", ("evaluate",), "LAVAE: digits from the mixture"),
    ("vae_multi_mnist_10k", "prior_samples.png", ("evaluate",), "The VAE's samples, for comparison"),
    ("discrete_air_multi_sprites", "descriptions_test.png", ("evaluate",), "Discrete-AIR: latent codes (figure 4)"),
    ("discrete_air_multi_mnist", "descriptions_test.png", ("evaluate",), "Discrete-AIR: latent codes (figure 7)"),
    ("discrete_air_multi_mnist", "attributes.png", ("evaluate",), "Discrete-AIR: attributes from -2 to 2 (figure 9)"),
    ("discrete_air_multi_sprites", "scene.png", DESCRIBED, "Discrete-AIR: a scene as described (figure 6)"),
)
# Curves of the page, of all seeds of some configs: file; held-out measure; configs; caption.
CURVES = (
    ("shapes_elbo.png", "elbo", ("lavae", "vae"), "ELBO of held-out scenes of shapes during training"),
    ("shapes_counts.png", "count_accuracy", ("lavae",), "Count accuracy on held-out scenes of shapes during training"),
    (
        "digits_elbo.png",
        "elbo",
        ("lavae_multi_mnist_10k", "vae_multi_mnist_10k"),
        "ELBO of held-out scenes of digits during training",
    ),
    (
        "digits_counts.png",
        "count_accuracy",
        ("lavae_multi_mnist_10k", "lavae_multi_mnist"),
        "Count accuracy on held-out scenes of digits during training",
    ),
    (
        "thousand_digits_elbo.png",
        "elbo",
        ("lavae_multi_mnist", "vae_multi_mnist"),
        "ELBO of held-out scenes of 1,000 digits during training",
    ),
)


def main() -> None:
    """Runs the plan and writes the page."""
    arguments = _parse()
    for flag, folder in (("page", os.path.dirname(arguments.page) or os.curdir), ("keep", arguments.keep)):
        if folder:
            require_writable(folder, flag)
    require_kinds(os.path.dirname(arguments.page), "page", (), (os.path.basename(arguments.page),))
    configs = arguments.configs.split(",") if arguments.configs else list(PLAN)
    unknown = sorted(set(configs) - set(PLAN))
    if unknown:
        sys.exit(f"Error: --configs names {unknown[0]}, allowed are {', '.join(PLAN)}")
    if not arguments.only_page:
        runs = [(config, seed) for config in configs for seed in _wanted_seeds(config, arguments)]
        complete_all([functools.partial(_complete, *run, arguments) for run in runs], arguments.side_by_side)
    if arguments.keep:
        for config in PLAN:
            for seed in _seeds(os.path.join(arguments.runs, config)):
                _keep(config, seed, arguments)
    reports = {config: _reports(config, arguments) for config in PLAN}
    reports = {config: found for config, found in reports.items() if found}
    if not reports:
        sys.exit(f"Error: no run in {arguments.runs} has a report yet")
    shown = [*_curves(arguments), *_figures(reports, arguments)]
    write_text(arguments.page, results_page(reports, shown, _outdated(reports, arguments)))
    print(f"Results: {arguments.page}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", help="some of the plan's configs, separated by commas; default: all")
    parser.add_argument(
        "--seeds", type=int, help="number of seeds of each config, from 0 on; default: the plan's numbers"
    )
    parser.add_argument("--runs", default="runs", help="folder of the runs: <config>/seed_<number>")
    parser.add_argument("--page", default=os.path.join("runs", "results.md"), help="the page to write")
    parser.add_argument(
        "--keep",
        help="folder to copy reports into; runs that are whole there are not made again, and the page also shows those "
        "that are only there; default: none",
    )
    parser.add_argument(
        "--only_page", action="store_true", help="write the page from the existing reports, without any runs"
    )
    parser.add_argument("--flags", default="", help="further flags of main.py, e.g. '--mnist_path=FOLDER'")
    parser.add_argument(
        "--side_by_side",
        type=int,
        default=1,
        help="number of runs at once, which share the cores; each writes to a file in <runs>/said; default: 1",
    )
    arguments = parser.parse_args()
    for name in ("seeds", "side_by_side"):
        number = getattr(arguments, name)
        if number is not None and number < 1:
            parser.error(f"--{name}={number} must be at least 1")
    return arguments


def _folder(runs: str, config: str, seed: int) -> str:
    return os.path.join(runs, config, f"seed_{seed}")


def _wanted_seeds(config: str, arguments: argparse.Namespace) -> range:
    default, _ = PLAN[config]
    return range(arguments.seeds or default)


def _complete(config: str, seed: int, arguments: argparse.Namespace) -> None:
    """Makes what is still missing of one run, of the first seed's figures as well."""
    if arguments.keep and not _missing(config, seed, arguments.keep, arguments):
        return
    folder = _folder(arguments.runs, config, seed)
    report = _evaluated_report(folder)
    if report and _differences(config, seed, report, arguments)[0]:
        path = os.path.join(folder, _REPORT)
        sys.exit(f"Error: {path} is of a run with other flags than {config}.cfg has today: delete its folder")
    for mode in _missing(config, seed, arguments.runs, arguments):
        _run(config, seed, *mode, arguments=arguments)
    for name, file, mode, _ in FIGURES if seed == 0 else ():
        if name == config and not os.path.exists(_figure(config, file, arguments)):
            _run(config, seed, *mode, arguments=arguments)
    if arguments.keep:
        _keep(config, seed, arguments)


def _missing(config: str, seed: int, runs: str, arguments: argparse.Namespace) -> list[tuple[str, ...]]:
    """The modes, with their flags, that it takes until a folder has the whole report of a run with today's flags."""
    _, experiments = PLAN[config]
    report = _evaluated_report(_folder(runs, config, seed))
    training, inference = _differences(config, seed, report, arguments) if report else ([], [])
    if not report or training:
        return [("train",), *experiments]
    if inference or _lacks_measures(report):
        return [("evaluate",), *experiments]
    flags = _flags(config, seed, arguments)
    return [mode for mode in experiments if not _is_measured(mode[0], report, [*flags, *mode[1:]])]


def _lacks_measures(report: dict[str, Any]) -> bool:
    """Whether a report is from a time when fewer measures of outlines were made than today."""
    return report["test"].get("ap") is not None and not OUTLINE_MEASURES.keys() <= report["test"].keys()


def _is_measured(mode: str, report: dict[str, Any], flags: list[str]) -> bool:
    """Whether a report has an experiment; of the likelihood, on at least as many images as its flags ask for."""
    if mode not in report or mode != "likelihood":
        return mode in report
    wanted = min(config_of(flags).evaluation.experiment_size, report["test"]["images"])
    return report[mode]["test"]["images"] >= wanted


def _differences(
    config: str, seed: int, report: dict[str, Any], arguments: argparse.Namespace
) -> tuple[list[str], list[str]]:
    """The flags of training, and those of inference, in which a run differs from its flagfile today."""
    wanted = config_of(_flags(config, seed, arguments))
    training = flag_differences(report["flags"], wanted.training_flags())
    return training, flag_differences(report.get("inference_flags", {}), wanted.inference_flags())


def _flags(config: str, seed: int, arguments: argparse.Namespace) -> list[str]:
    folder = _folder(arguments.runs, config, seed)
    return [
        f"--flagfile={os.path.join(ROOT, 'configs', config)}.cfg",
        f"--seed={seed}",
        f"--run_dir={folder}",
        f"--export_dir={os.path.join(folder, 'exported')}",
        *arguments.flags.split(),
    ]


def _run(config: str, seed: int, mode: str, *flags: str, arguments: argparse.Namespace) -> None:
    command = [
        sys.executable,
        os.path.join(ROOT, "main.py"),
        *_flags(config, seed, arguments),
        f"--mode={mode}",
        *flags,
    ]
    if call(command, os.path.join(arguments.runs, "said", f"{config}_seed_{seed}.txt"), arguments.side_by_side):
        sys.exit(f"Error: {config} with seed {seed} stopped in --mode={mode}; start again to resume there")


def _figure(config: str, file: str, arguments: argparse.Namespace) -> str:
    return os.path.join(_folder(arguments.runs, config, 0), "figures", file)


def _figures(reports: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Copies figures of runs into the page's folder; returns the caption and relative path of each that is there."""
    shown = []
    for config, file, _, text in (figure for figure in FIGURES if figure[0] in reports):
        source, name = _figure(config, file, arguments), os.path.join("images", f"{config}_{file}")
        target = os.path.join(os.path.dirname(arguments.page), name)
        if os.path.exists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)
        if os.path.exists(target):
            shown.append((text, name))
    return shown


def _curves(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Draws curves of the configs with logs or kept curves; returns the caption and path of each that is there."""
    shown, runs = [], arguments.keep or arguments.runs
    for file, measure, configs, text in CURVES:
        folders, name = [os.path.join(runs, config) for config in configs], os.path.join("images", file)
        picture = os.path.join(os.path.dirname(arguments.page), name)
        # A run that is not finished would cut all curves short.
        if all(_seeds(folder) and _are_finished(folder) for folder in folders):
            compare(folders, measure, picture)
        if os.path.exists(picture):
            shown.append((text, name))
    return shown


def _are_finished(folder: str) -> bool:
    """Whether all runs in a folder have a report and curves."""
    runs = [os.path.join(folder, f"seed_{seed}") for seed in _seeds(folder)]
    return all(_evaluated_report(run) and has_curves(run) for run in runs)


def _keep(config: str, seed: int, arguments: argparse.Namespace) -> None:
    """Copies the report of a run that is to be shown, and of its logs what the page shows."""
    if not _replaces_kept(config, seed, arguments):
        return
    source, target = (_folder(runs, config, seed) for runs in (arguments.runs, arguments.keep))
    os.makedirs(target, exist_ok=True)
    for name in (_REPORT, _LIKELIHOODS):
        if os.path.exists(os.path.join(source, name)):
            shutil.copyfile(os.path.join(source, name), os.path.join(target, name))
    measures = [measure for _, measure, configs, _ in CURVES if config in configs]
    if measures and has_curves(source):
        keep_curves(source, measures, target)


def _replaces_kept(config: str, seed: int, arguments: argparse.Namespace) -> bool:
    """Whether a run's own report is to be shown: it is there, and it is whole or there is no kept one to show.

    So a run that is made again takes the place of its kept report only once all of it has been measured.
    """
    own, kept = (
        bool(runs and _evaluated_report(_folder(runs, config, seed))) for runs in (arguments.runs, arguments.keep)
    )
    return own and not (kept and _missing(config, seed, arguments.runs, arguments))


def _reports(config: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The reports of a config's runs, of those kept as well, in the order of their seeds."""
    reports = {}
    for runs in (arguments.keep, arguments.runs):
        for seed in _seeds(os.path.join(runs, config)) if runs else ():
            if runs == arguments.keep or _replaces_kept(config, seed, arguments):
                reports[seed] = _report(_folder(runs, config, seed))
    return [report for _, report in sorted(reports.items()) if report]


def _seeds(folder: str) -> list[int]:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(int(found[1]) for found in map(re.compile(r"seed_(\d+)").fullmatch, names) if found)


def _evaluated_report(folder: str) -> dict[str, Any]:
    """A run's report; empty if the run has not been evaluated yet."""
    report = read_report(os.path.join(folder, _REPORT))
    return report if "test" in report else {}


def _report(folder: str) -> dict[str, Any]:
    """As `_evaluated_report`, with the bounds of individual images if they were measured."""
    report, path = _evaluated_report(folder), os.path.join(folder, _LIKELIHOODS)
    # Without that section, the arrays belong to the model before it was trained further.
    measured = "likelihood" in report and os.path.exists(path)
    if not measured:
        return report
    names = [f"{split}_{measure}" for split in report["likelihood"] for measure in ("bound", "elbo")]
    return {**report, LIKELIHOOD_OF_IMAGES: read_arrays(path, required=names)}


def _outdated(reports: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> list[str]:
    """The configs of which some run had other flags than the flagfile has today."""

    def differs(config: str, report: dict[str, Any]) -> bool:
        return any(_differences(config, report["flags"]["seed"], report, arguments))

    return [config for config, runs in reports.items() if any(differs(config, report) for report in runs)]


if __name__ == "__main__":
    with one_line_errors():
        main()
