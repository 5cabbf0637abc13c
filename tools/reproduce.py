"""Every experiment of the results page: python tools/reproduce.py, or make reproduce.

Each run is what `main.py` would do by hand. What is there already is not done again, so that a killed run goes on where
it stopped, and more seeds are one flag: python tools/reproduce.py --seeds=5.
"""

import argparse
import os
import subprocess
import sys
from typing import Any

from tf_scenes.errors import UserError
from tf_scenes.evaluation.results import results_page
from tf_scenes.reports import read_report, write_text

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Config: how many seeds by default, and the experiments beside training and evaluation.
OBJECTS = ("likelihood", "disentanglement")
PLAN = {
    "lavae": (3, (*OBJECTS, "canvases")),
    "lavae_multi_mnist": (1, (*OBJECTS, "canvases")),
    "lavae_multi_mnist_10k": (1, (*OBJECTS, "canvases")),
    "vae": (1, ("likelihood",)),
    "vae_multi_mnist": (1, ("likelihood",)),
    "vae_multi_mnist_10k": (1, ("likelihood",)),
    "air_multi_sprites": (1, OBJECTS),
    "air_multi_sprites_nvil": (1, OBJECTS),
    "air_multi_mnist": (1, OBJECTS),
    "discrete_air_multi_sprites": (3, OBJECTS),
    "discrete_air_multi_mnist": (1, OBJECTS),
}


def main() -> None:
    """Runs the plan and writes the page."""
    arguments = _parse()
    configs = arguments.configs.split(",") if arguments.configs else list(PLAN)
    unknown = sorted(set(configs) - set(PLAN))
    if unknown:
        sys.exit(f"Error: --configs names {unknown[0]}, allowed are {', '.join(PLAN)}")
    if not arguments.only_page:
        for config in configs:
            default, experiments = PLAN[config]
            for seed in range(arguments.seeds or default):
                _complete(config, seed, experiments, arguments)
    reports = {config: _reports(config, arguments.runs) for config in PLAN}
    reports = {config: found for config, found in reports.items() if found}
    if not reports:
        sys.exit(f"Error: no run in {arguments.runs} has a report yet")
    write_text(arguments.page, results_page(reports))
    print(f"Results: {arguments.page}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", help="some of the plan's configs, with commas between; all by default")
    parser.add_argument("--seeds", type=int, help="seeds of each config, from 0 on; the plan's numbers by default")
    parser.add_argument("--runs", default="runs", help="folder of the runs: <config>/seed_<number>")
    parser.add_argument("--page", default=os.path.join("docs", "results.md"), help="the page to write")
    parser.add_argument("--only_page", action="store_true", help="write the page from the reports that are there")
    parser.add_argument("--flags", default="", help="more flags for main.py, e.g. '--mnist_path=FOLDER'")
    return parser.parse_args()


def _complete(config: str, seed: int, experiments: tuple[str, ...], arguments: argparse.Namespace) -> None:
    """Does what is still missing of one run."""
    folder = os.path.join(arguments.runs, config, f"seed_{seed}")
    for mode, section in (("train", "test"), *zip(experiments, experiments)):
        if section in read_report(os.path.join(folder, "report.json")):
            continue
        command = [
            sys.executable,
            os.path.join(ROOT, "main.py"),
            f"--flagfile={os.path.join(ROOT, 'configs', config)}.cfg",
            f"--seed={seed}",
            f"--run_dir={folder}",
            f"--export_dir={os.path.join(folder, 'exported')}",
            f"--mode={mode}",
            *arguments.flags.split(),
        ]
        print(" ".join(command), flush=True)
        if subprocess.run(command).returncode:
            sys.exit(f"Error: {config} with seed {seed} stopped in --mode={mode}; started again it goes on there")


def _reports(config: str, runs: str) -> list[dict[str, Any]]:
    folder = os.path.join(runs, config)
    seeds = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    reports = [read_report(os.path.join(folder, seed, "report.json")) for seed in seeds]
    return [report for report in reports if "test" in report]


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"Error: {error}")
