"""Speed of training and inference, model by model, and where a step's time goes: python benchmarks/speed.py .

Each model is measured in a process of its own, so that peak memory is the model's own. A large matrix product is timed
in the same process, before and after: the machine's speed drifts, and the share of the matrix product's rate is what
can be compared.
"""

import argparse
import json
import multiprocessing
import os
import shlex
import sys
from typing import Any

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from tf_scenes.app.endings import one_line_errors
from tf_scenes.errors import UserError

CONFIGS = "lavae,vae,air_multi_sprites,air_multi_sprites_nvil,discrete_air_multi_sprites"
_HEADER = (
    "| model | precision | batch | step, ms | images/s | GFLOP | GFLOP/s | of the matrix product | inference, images/s "
    "| peak memory, MB | first step after, s |"
)


def main() -> None:
    """Prints the table, and below it the parts of each model's step, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", default=CONFIGS, help="names of flagfiles in configs/, separated by commas")
    parser.add_argument("--precisions", default="float32", help="values of --precision, separated by commas")
    parser.add_argument(
        "--flags", default="", help="further flags of main.py, for all configs, e.g. --flags=--mnist_path=FOLDER"
    )
    parser.add_argument("--repeats", type=int, default=10, help="number of timed calls")
    parser.add_argument("--report", help="JSON file to write all measurements to")
    arguments = parser.parse_args()

    measured = []
    print(_HEADER + "\n|" + "---|" * (_HEADER.count("|") - 1))
    for precision in arguments.precisions.split(","):
        for name in arguments.configs.split(","):
            flagfile = os.path.join(os.path.dirname(__file__), os.pardir, "configs", f"{name}.cfg")
            flags = [f"--flagfile={flagfile}", f"--precision={precision}", *shlex.split(arguments.flags)]
            # Not forked: each model must have TensorFlow's memory and threads to itself.
            with multiprocessing.get_context("spawn").Pool(1) as process:
                try:
                    values = process.apply(_measure, (flags, arguments.repeats))
                except UserError as error:
                    sys.exit(f"Error: {name}: {error}")
            measured.append({"config": name, "precision": precision, **values})
            print(_row(measured[-1]), flush=True)
    for values in measured:
        print(f"\n`{values['config']}`, {values['precision']}: share of the time of all operations\n")
        for title in ("parts", "kinds"):
            shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in values[title].items() if share > 0.01)
            print(f"- {title}: {shares}")
    if arguments.report:
        with open(arguments.report, "w", encoding="utf-8") as file:
            json.dump(measured, file, indent=2)


def _measure(flags: list[str], repeats: int) -> dict[str, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from tf_scenes.app.command_line import without_greetings

    with without_greetings():
        from benchmarks import measuring

    return measuring.measure(flags, repeats)


def _row(values: dict[str, Any]) -> str:
    return (
        f"| `{values['config']}` | {values['precision']} | {values['batch']} | {1e3 * values['step_seconds']:.0f} | "
        f"{values['batch'] / values['step_seconds']:.0f} | {values['step_operations'] / 1e9:.1f} | "
        f"{values['step_rate']:.0f} | {100 * values['step_rate'] / values['matrix_product_rate']:.0f} % "
        f"of {values['matrix_product_rate']:.0f} | {values['inferred_per_second']:.0f} | "
        f"{values['peak_memory'] / 2**20:.0f} | {values['first_step_seconds']:.0f} |"
    )


if __name__ == "__main__":
    with one_line_errors():
        main()
