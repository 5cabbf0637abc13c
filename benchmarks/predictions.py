"""Times --mode=predict and --mode=predict_beam on many pictures: python benchmarks/predictions.py --pictures=2000.

The pictures are those of a folder, repeated under other names. What a start takes is measured on two pictures, and
subtracted; the counts of each command are compared with those of the first.
"""

import argparse
import csv
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tf_scenes.app.endings import one_line_errors
from tf_scenes.data.image_files import find_images

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BEAM = ("--mode=predict_beam", "--predict_csv")
_ONE, _TWO = (("--direct_running_mode=multi_processing", f"--direct_num_workers={count}") for count in (1, 2))
COMMANDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "`predict`": (("--mode=predict",), ()),
    "`predict_beam`, one process": ((*_BEAM, "--predict_pictures"), _ONE),
    "two processes": ((*_BEAM, "--predict_pictures"), _TWO),
    "two processes, without masks and overlays": (_BEAM, _TWO),
}


def main() -> None:
    """Prints the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2000, help="number of pictures")
    parser.add_argument("--images", default=os.path.join(ROOT, "data", "nuclei", "test", "images"), help="their folder")
    parser.add_argument("--models", default=os.path.join(ROOT, "saved_models", "nuclei"), help="folder of a model")
    arguments = parser.parse_args()
    if arguments.pictures < 3:
        parser.error(f"--pictures={arguments.pictures} must be at least 3")
    sources = find_images(arguments.images, "images")
    print("| command | seconds | of which for the start | pictures a second after it |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        many, few = (_repeated(sources, count, folder) for count in (arguments.pictures, 2))
        expected = None
        for number, (name, (flags, beam_options)) in enumerate(COMMANDS.items()):
            results = os.path.join(folder, f"results_{number}")
            start = _seconds(few, arguments.models, f"{results}_of_few", flags, beam_options)
            total = _seconds(many, arguments.models, results, flags, beam_options)
            if total <= start:
                parser.error(f"--pictures={arguments.pictures} are too few: the start takes longer than all of them")
            rate = (arguments.pictures - 2) / (total - start)
            print(f"| {name} | {total:.0f} | {start:.0f} | {rate:.2f} |", flush=True)
            counts = _rows(os.path.join(results, "counts.csv"))
            expected = expected or counts
            if counts != expected:
                sys.exit(f"Error: {name} counted otherwise than the first command")


def _repeated(sources: Sequence[str], count: int, folder: str) -> str:
    """A folder with as many pictures, which are links to those that there are."""
    repeated = os.path.join(folder, f"pictures_{count}")
    os.makedirs(repeated)
    for number, source in zip(range(count), itertools.cycle(sources)):
        os.symlink(os.path.abspath(source), os.path.join(repeated, f"{number}{os.path.splitext(source)[1]}"))
    return repeated


def _seconds(images: str, models: str, results: str, flags: Sequence[str], beam_options: Sequence[str]) -> float:
    places = (f"--predict_images={images}", f"--predict_models={models}", f"--predict_dir={results}")
    command = [sys.executable, os.path.join(ROOT, "main.py"), *flags, *places, "--", *beam_options]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - started


def _rows(path: str) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return sorted(csv.reader(file))


if __name__ == "__main__":
    with one_line_errors():
        main()
