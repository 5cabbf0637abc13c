"""Trains one model with one change after another: python tools/ablation.py --study=sprites --flags=--train_steps=4000.

A row is a call of `main.py`, measured on the validation splits. Whatever exists already is not made again, so a study
that was killed resumes where it stopped. The table is printed in Markdown.
"""

import argparse
import os
import subprocess
import sys
from typing import Any

from tf_scenes.errors import UserError
from tf_scenes.files import read_json

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SECOND_LOOK = ("--attention.surroundings=1.5", "--attention.separate_scales=false")
_POSE_FROM_GLIMPSE = ("--discrete_air.pose_from=glimpse",)
_NO_MEMORY = ("--attention.memory=false",)
_UNEXPLAINED = ("--attention.looks_at=unexplained",)
_GUESSES = ("--attention.guesses=9", "--attention.prunes=true")
_ONE_CLUSTERING = (
    "--discrete_air.invariance_weight=20",
    "--discrete_air.invariance_first_step=800",
    "--discrete_air.merging_step=2000",
    "--discrete_air.elbo_first_step=3000",
)
_FINE_CLUSTERINGS = ("--discrete_air.num_fine_categories=25", "--discrete_air.invariance_heads=4")
_LATE_ATTRIBUTES = ("--discrete_air.attributes_first_step=2200", "--discrete_air.attributes_kl_steps=500")
_MATCHING = (
    "--discrete_air.matching_weight=1",
    "--discrete_air.matching_noise_final=0.6",
    "--discrete_air.matching_steps=1500",
    "--discrete_air.elbo_first_step=3000",
    "--discrete_air.decoder_learning_rate_factor=5",
)

# By study: whether each row keeps the changes of the rows before it; then the config that it starts from, and the
# changes of each row by name.
STUDIES: dict[str, tuple[bool, str, dict[str, tuple[str, ...]]]] = {
    "sprites": (
        True,
        "paper_discrete_air_multi_sprites",
        {
            "paper": (),
            "second look": _SECOND_LOOK,
            "rotation from the glimpse": _POSE_FROM_GLIMPSE,
            "template matching": _MATCHING,
            "no memory": _NO_MEMORY,
            "unexplained part alone": _UNEXPLAINED,
            "nine guesses, pruning": _GUESSES,
        },
    ),
    "digits": (
        True,
        "paper_discrete_air_multi_mnist",
        {
            "paper": (),
            "second look": _SECOND_LOOK,
            "pose from the glimpse": _POSE_FROM_GLIMPSE,
            "batches of 256": ("--batch_size=256",),
            "one clustering": _ONE_CLUSTERING,
            "fine clusterings, merged": _FINE_CLUSTERINGS,
            "attributes later": _LATE_ATTRIBUTES,
            "no memory": _NO_MEMORY,
            "unexplained part alone": _UNEXPLAINED,
            "nine guesses, pruning": _GUESSES,
        },
    ),
    "counting": (
        False,
        "air_multi_mnist",
        {
            "recipe": (),
            "memory": ("--attention.memory=true",),
            "difference image": ("--attention.looks_at=difference",),
            "one guess": ("--attention.guesses=1",),
            "a slot more": ("--attention.extra_slots=1",),
            "cooler presence": ("--attention.presence_temperature=0.5",),
            "final prior of 0.01": ("--attention.continue_probability_final=0.01",),
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
            f"{estimator}, seed {seed}": (f"--attention.estimator={estimator}", f"--seed={seed}")
            for estimator in ("relaxed", "nvil")
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
    "squared_error": "squared error",
    "elbo": "ELBO",
}


def main() -> None:
    """Runs a study and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", required=True, choices=sorted(STUDIES), help="which study")
    parser.add_argument("--runs", default=os.path.join("runs", "ablation"), help="folder of the runs: <study>/<row>")
    parser.add_argument("--flags", default="", help="further flags of main.py for every row, e.g. '--train_steps=4000'")
    arguments = parser.parse_args()
    rows = {name: _measured(name, config, flags, arguments) for name, config, flags in rows_of(arguments.study)}
    print(table(rows))


def rows_of(study: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """The rows of a study: name, config, flags."""
    keeps, config, changes = STUDIES[study]
    rows, flags = [], ()
    for name, change in changes.items():
        flags = (*flags, *change) if keeps else change
        rows.append((name, config, flags))
    return rows


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The table in Markdown: for each row its measures on both validation splits.

    Args:
        rows: Reports by the name of the row.
    """
    splits = [name for name in next(iter(rows.values())) if name.startswith("validation")]
    header = ["", *(f"{split}: {label}" for split in splits for label in _MEASURES.values()), "training, min"]
    lines = [header, ["---"] * len(header)]
    for name, report in rows.items():
        numbers = [report[split].get(measure) for split in splits for measure in _MEASURES]
        cells = ["-" if number is None else f"{number:.4g}" for number in numbers]
        lines.append([name, *cells, f"{report['train_seconds'] / 60.0:.0f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measured(name: str, config: str, flags: tuple[str, ...], arguments: argparse.Namespace) -> dict[str, Any]:
    """The report of a row, whose run is made if it does not exist."""
    folder = os.path.join(arguments.runs, arguments.study, name.replace(", ", "_").replace(" ", "_"))
    report = os.path.join(folder, "report.json")
    if "validation" not in read_json(report):
        settings = (f"--run_dir={folder}", f"--export_dir={os.path.join(folder, 'exported')}")
        command = [sys.executable, os.path.join(ROOT, "main.py")]
        command += [f"--flagfile={os.path.join(ROOT, 'configs', config)}.cfg", *flags, *arguments.flags.split()]
        command += [*settings, f"--evaluated_splits={','.join(_validation_splits(config))}"]
        print(" ".join(command), flush=True)
        if subprocess.run(command).returncode:
            sys.exit(f"Error: the row '{name}' stopped; start again to resume there")
    return read_json(report)


def _validation_splits(config: str) -> tuple[str, str]:
    return "validation", "validation_3" if "mnist" in config else "validation_4"


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"Error: {error}")
