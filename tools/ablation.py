"""Trains one model with one change after another: python tools/ablation.py --study=sprites --flags=--train_steps=4000.

A row is a call of `main.py`, measured on the validation splits. Whatever exists already is not made again, so a study
that was killed resumes where it stopped; rows that were kept by --keep=FOLDER need their runs no more. Several rows at
once use processor cores better than one: --side_by_side=2. The table is printed in Markdown.
"""

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, Optional

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from tf_scenes.app.endings import one_line_errors
from tf_scenes.config import config_of, flag_differences
from tf_scenes.files import read_json, require_writable
from tf_scenes.visualization.curves import has_curves, keep_curves, read_curve
from tools.side_by_side import call, complete_all

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A row: its name, the config that it starts from, and the changes.
Row = tuple[str, str, tuple[str, ...]]

_SECOND_LOOK = ("--attention.surroundings=1.5",)
_ONE_SCALE = ("--attention.separate_scales=false",)
_POSE_FROM_GLIMPSE = ("--discrete_air.pose_from=glimpse",)
_NO_MEMORY = ("--attention.memory=false",)
_UNEXPLAINED = ("--attention.looks_at=unexplained",)
_PRUNING = ("--attention.prunes=true",)
_GUESSES = ("--attention.guesses=9",)
_CLUSTERING = (
    "--discrete_air.invariance_weight=20",
    "--discrete_air.invariance_first_step=800",
    "--discrete_air.merging_step=2000",
)
_MATCHING = (
    "--discrete_air.matching_weight=1",
    "--discrete_air.matching_noise_final=0.6",
    "--discrete_air.matching_steps=1500",
    "--discrete_air.elbo_first_step=2500",
)

_NO_PRESENCE = ("--lavae.presence_weight=0",)
_NO_CALIBRATION = ("--calibration_size=0",)
_NO_PRUNING = ("--lavae.prunes=false",)
_NOT_RECENTERED = ("--lavae.recenters=false",)
_OFF_CENTER = ("--lavae.centering_weight=0", *_NOT_RECENTERED)
_SMALL_SPRITES = ("--lavae.generated_size=21",)
_NO_EXCLUSION = ("--lavae.exclusion_radius=0",)
_KL_FROM_THE_START = ("--lavae.kl_weight=1", "--lavae.kl_steps=0")
_FORCED = ("--lavae.forced_probability=0.1",)
_APPEARANCE_MAP = ("--lavae.patch_size=0", "--lavae.explains_away=false")
_FULL_RESOLUTION = ("--lavae.strides=1",)
_NO_MISSED_GRADIENT = ("--lavae.missed_gradient=false",)
_MARGIN = ("--lavae.pixel_margin=1e-4",)
_NO_BLUR = ("--lavae.target_blur=0",)
_CONSTANT_RATES = (
    *("--learning_rate=1e-3", "--learning_rate_final=1e-3"),
    *("--lavae.location_learning_rate=5e-4", "--lavae.location_decay=0.01", "--lavae.temperature_final=0.02"),
)

# By study: whether each row keeps the changes of the rows before it; then the config that it starts from, and the
# changes of each row by name.
STUDIES: dict[str, tuple[bool, str, dict[str, tuple[str, ...]]]] = {
    "lavae": (
        False,
        "lavae",
        {
            "recipe": (),
            "no presence loss": _NO_PRESENCE,
            "no calibration": _NO_CALIBRATION,
            "no test of maxima": _NO_PRUNING,
            "none of these three": (*_NO_PRESENCE, *_NO_CALIBRATION, *_NO_PRUNING),
            "no centring": _OFF_CENTER,
            "objects not moved to the middle of what is drawn": _NOT_RECENTERED,
            "no exclusion": _NO_EXCLUSION,
            "KL from the start": _KL_FROM_THE_START,
            "objects forced": _FORCED,
            "no gradient of missed pixels": _NO_MISSED_GRADIENT,
            "pixel means as far from 0 and 1 as 0.0001": _MARGIN,
            "target not blurred": _NO_BLUR,
            "learning rates and temperature of the paper": _CONSTANT_RATES,
            "appearance from a map": _APPEARANCE_MAP,
            "subpixel convolution": ("--lavae.location_features=subpixel",),
            "full resolution": _FULL_RESOLUTION,
            "warm-up of 100 and 100 steps": ("--lavae.warm_up_steps=100", "--lavae.warm_up_decay_steps=100"),
            "warm-up of 1200 and 400 steps": ("--lavae.warm_up_steps=1200",),
            "paper": (
                *_NO_PRESENCE,
                *_NO_CALIBRATION,
                *_NO_PRUNING,
                *_OFF_CENTER,
                *_SMALL_SPRITES,
                *_NO_EXCLUSION,
                *_KL_FROM_THE_START,
                *_FORCED,
                *_NO_MISSED_GRADIENT,
                *_MARGIN,
                *_NO_BLUR,
                *_CONSTANT_RATES,
                "--lavae.count_window=11",
                *_APPEARANCE_MAP,
                *_FULL_RESOLUTION,
            ),
        },
    ),
    "sprites": (
        True,
        "paper_discrete_air_multi_sprites",
        {
            "paper": (),
            "second look": _SECOND_LOOK,
            "one scale for both axes": _ONE_SCALE,
            "rotation from the glimpse": _POSE_FROM_GLIMPSE,
            "decoder learns faster": ("--discrete_air.decoder_learning_rate_factor=5",),
            "template matching": _MATCHING,
            "no memory": _NO_MEMORY,
            "unexplained part alone": _UNEXPLAINED,
            "pruning": _PRUNING,
            "nine guesses": _GUESSES,
        },
    ),
    "digits": (
        True,
        "paper_discrete_air_multi_mnist",
        {
            "paper": (),
            "second look": _SECOND_LOOK,
            "one scale for both axes": _ONE_SCALE,
            "pose from the glimpse": _POSE_FROM_GLIMPSE,
            "one clustering": _CLUSTERING,
            "four clusterings": ("--discrete_air.invariance_heads=4",),
            "of 25 categories, merged": ("--discrete_air.num_fine_categories=25",),
            "batches of 256": ("--batch_size=256",),
            "no ELBO for categories": ("--discrete_air.elbo_first_step=1000000",),
            "normalized attributes": ("--discrete_air.normalize_attributes",),
            "attributes by category": ("--discrete_air.attributes_by_category",),
        },
    ),
    "counting": (
        True,
        "air_multi_mnist",
        {
            "as on shapes": ("--attention.memory=false", "--attention.units=128", *_UNEXPLAINED),
            "difference image": ("--attention.looks_at=difference",),
            "256 units": ("--attention.units=256",),
            "memory": ("--attention.memory=true",),
            "unexplained part again": _UNEXPLAINED,
        },
    ),
    "categories": (
        False,
        "discrete_air_multi_mnist",
        {
            "recipe": (),
            "10 fine categories": ("--discrete_air.num_fine_categories=10",),
            "50 fine categories": ("--discrete_air.num_fine_categories=50",),
            "one clustering": ("--discrete_air.invariance_heads=1",),
            "batches of 128": ("--batch_size=128",),
        },
    ),
    "combinations": (
        False,
        "discrete_air_multi_mnist",
        {name: (f"--discrete_air.combination={name}",) for name in ("additive", "multiplicative", "convolutional")},
    ),
    "presence": (
        False,
        "air_multi_sprites",
        {
            f"{name}, seed {seed}": (*flags, f"--seed={seed}")
            for name, flags in (
                ("relaxed", ()),
                ("nvil", ("--attention.estimator=nvil",)),
            )
            for seed in range(3)
        },
    ),
}
_MEASURES = {
    "count_accuracy": "counts",
    "count_missed": "missed",
    "count_extra": "extra",
    "correspondence": "correspondence",
    "swept_category_kept": "kept when swept",
    "foreground_iou": "IoU",
    "location_error": "location error, pixels",
    "squared_error": "squared error",
    "elbo": "ELBO",
}


def main() -> None:
    """Runs a study and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", required=True, choices=sorted(STUDIES), help="which study")
    parser.add_argument("--runs", default=os.path.join("runs", "ablation"), help="folder of the runs: <study>/<row>")
    parser.add_argument("--flags", default="", help="further flags of main.py for every row, e.g. '--train_steps=4000'")
    parser.add_argument(
        "--early_steps", default="", help="steps, separated by commas, at which to list the count accuracy in training"
    )
    parser.add_argument("--keep", help="folder to copy each row's report into, where it suffices later; default: none")
    parser.add_argument(
        "--side_by_side",
        type=int,
        default=1,
        help="number of rows at once, which share the cores; each writes to a file in <runs>/said; default: 1",
    )
    arguments = parser.parse_args()
    if arguments.side_by_side < 1:
        parser.error(f"--side_by_side={arguments.side_by_side} must be at least 1")
    if arguments.keep:
        require_writable(arguments.keep, "keep")
    early_steps = [int(step) for step in arguments.early_steps.split(",") if step]
    rows = rows_of(arguments.study)
    groups = _trained_alike(rows, arguments)
    complete_all([functools.partial(_complete, group, arguments) for group in groups], arguments.side_by_side)
    found = {name: _finished(name, config, flags, arguments) for name, config, flags in rows}
    reports = {name: read_json(os.path.join(folder, "report.json")) for name, folder in found.items()}
    print(table(reports, {name: early_counts(folder, early_steps) for name, folder in found.items()}))


def _trained_alike(rows: Sequence[Row], arguments: argparse.Namespace) -> list[list[Row]]:
    """Groups of rows that differ in inference alone, in the order of each group's first row."""
    groups: list[tuple[dict[str, Any], list[Row]]] = []
    for row in rows:
        _, config, flags = row
        wanted = config_of(_flags(config, flags, arguments)).training_flags()
        alike = [group for training, group in groups if not flag_differences(training, wanted)]
        if alike:
            alike[0].append(row)
        else:
            groups.append((wanted, [row]))
    return [group for _, group in groups]


def rows_of(study: str) -> list[Row]:
    """The rows of a study: name, config, flags."""
    keeps, config, changes = STUDIES[study]
    rows, flags = [], ()
    for name, change in changes.items():
        flags = (*flags, *change) if keeps else change
        rows.append((name, config, flags))
    return rows


def early_counts(folder: str, steps: Sequence[int]) -> dict[str, Optional[float]]:
    """Count accuracy on `validation` in the course of training, by the name of the column; None where there is none.

    Args:
        folder: Folder of the run, or the one that its report was copied into.
        steps: Numbers of steps.
    """
    curve = dict(zip(*read_curve(folder, "count_accuracy"))) if steps else {}
    return {f"counts after {step:,} steps": curve.get(step) for step in steps}


def table(reports: dict[str, dict[str, Any]], early: dict[str, dict[str, Optional[float]]]) -> str:
    """The table in Markdown: for each row its measures on both validation splits.

    Args:
        reports: Reports by the name of the row.
        early: Further measures by the name of the row, see `early_counts`.
    """
    splits = [name for name in next(iter(reports.values())) if name.startswith("validation")]
    has = {
        measure for report in reports.values() for measure in _MEASURES if report[splits[0]].get(measure) is not None
    }
    columns = [(split, measure) for split in splits for measure in _MEASURES if measure in has]
    header = ["", *next(iter(early.values())), *(f"{split}: {_MEASURES[measure]}" for split, measure in columns)]
    lines = [[*header, "training, min"], ["---"] * (len(header) + 1)]
    for name, report in reports.items():
        numbers = [*early[name].values(), *(report[split].get(measure) for split, measure in columns)]
        cells = ["-" if number is None else f"{number:.4g}" for number in numbers]
        lines.append([name, *cells, f"{report['train_seconds'] / 60.0:.0f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _complete(rows: Sequence[Row], arguments: argparse.Namespace) -> None:
    """Makes those of some rows that are not there yet; they are trained alike, and share their training."""
    trained = None
    for name, config, flags in rows:
        if not _finished(name, config, flags, arguments):
            _make(name, config, flags, trained, arguments)
        if arguments.keep and _finished(name, config, flags, arguments) != _folder(arguments.keep, name, arguments):
            _keep(name, arguments)
        if os.path.exists(_folder(arguments.runs, name, arguments)):
            trained = _folder(arguments.runs, name, arguments)


def _finished(name: str, config: str, flags: Sequence[str], arguments: argparse.Namespace) -> Optional[str]:
    """The folder that has the report of a row, kept or not; None if there is none."""
    for parent in filter(None, (arguments.keep, arguments.runs)):
        folder = _folder(parent, name, arguments)
        report = read_json(os.path.join(folder, "report.json"))
        if "validation" in report:
            wanted = config_of(_flags(config, flags, arguments))
            inference = flag_differences(report["inference_flags"], wanted.inference_flags())
            if inference or flag_differences(report["flags"], wanted.training_flags()):
                sys.exit(f"Error: {folder} is of a run with other flags: delete it, or name another folder")
            return folder
    return None


def _make(name: str, config: str, flags: Sequence[str], trained: Optional[str], arguments: argparse.Namespace) -> None:
    """Calls `main.py` for a row, in a copy of a run that was trained alike if there is one."""
    folder = _folder(arguments.runs, name, arguments)
    if trained and not os.path.exists(folder):
        copied = ("checkpoints", "logs", "flags.json")
        shutil.copytree(
            trained, folder, ignore=lambda parent, names: set(names) - set(copied) if parent == trained else set()
        )
    command = [sys.executable, os.path.join(ROOT, "main.py"), *_flags(config, flags, arguments)]
    command += [f"--run_dir={folder}", f"--export_dir={os.path.join(folder, 'exported')}"]
    if call(command, f"{_folder(os.path.join(arguments.runs, 'said'), name, arguments)}.txt", arguments.side_by_side):
        sys.exit(f"Error: the row '{name}' stopped; start again to resume there")


def _keep(name: str, arguments: argparse.Namespace) -> None:
    """Copies a row's report, and of its logs what `early_counts` reads."""
    source, target = (_folder(parent, name, arguments) for parent in (arguments.runs, arguments.keep))
    os.makedirs(target, exist_ok=True)
    shutil.copyfile(os.path.join(source, "report.json"), os.path.join(target, "report.json"))
    if has_curves(source):
        keep_curves(source, ("count_accuracy",), target)


def _folder(parent: str, name: str, arguments: argparse.Namespace) -> str:
    return os.path.join(parent, arguments.study, name.replace(", ", "_").replace(" ", "_"))


def _flags(config: str, flags: Sequence[str], arguments: argparse.Namespace) -> list[str]:
    flags = [f"--flagfile={os.path.join(ROOT, 'configs', config)}.cfg", *flags, *arguments.flags.split()]
    return [*flags, f"--evaluated_splits=validation,validation_{config_of(flags).data.many_objects}"]


if __name__ == "__main__":
    with one_line_errors():
        main()
