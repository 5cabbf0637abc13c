"""AIR's training step beside other implementations': python benchmarks/peers.py --peers_python=... --pyro=FOLDER.

The implementations are processes of their own, which take turns: while one trains, the others wait. So all meet the
same machine at the same speed. None of the others' code is part of this project; flags say where it is:

- `--pyro`: the folder `examples/air` of pyro-ppl/pyro;
- `--attend_infer_repeat_pytorch`: a clone of addtt/attend-infer-repeat-pytorch.

Both need an environment with `torch torchvision pyro-ppl "boilr>=0.6,<0.7" multiobject matplotlib`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Optional

import air_steps
import numpy as np

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Both peers' sizes and estimator; without the second look, which neither has.
_PEERS_SIZES = (
    "--attention.estimator=nvil",
    f"--max_objects={air_steps.MAX_OBJECTS}",
    f"--many_objects={air_steps.MAX_OBJECTS + 1}",
    "--attention.surroundings=0",
    "--noattention.convolutional",
    f"--attention.units={air_steps.LSTM_UNITS}",
    f"--attention.encoder_units={air_steps.UNITS}",
    f"--attention.decoder_units={air_steps.UNITS}",
    f"--attention.glimpse_size={air_steps.GLIMPSE}",
    f"--air.what_dim={air_steps.APPEARANCE}",
    "--attention.memory=true",
    "--attention.looks_at=difference",
    "--dataset=multi_digits_air",
    "--train_size=2000",
    "--test_size=100",
)
_OURS = "tf_scenes"
# By peer, a file of its code, and the packages that it needs.
_NEEDED = {
    "pyro": ("air.py", "torch, pyro"),
    "attend_infer_repeat_pytorch": ("models/air.py", "torch, torchvision, boilr, multiobject, matplotlib"),
}


def main() -> None:
    """Prints each implementation's milliseconds a step, round by round, and the factors, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers_python", help="the interpreter of an environment with what peers need")
    parser.add_argument("--pyro", help="the folder examples/air of pyro-ppl/pyro")
    parser.add_argument("--attend_infer_repeat_pytorch", help="a clone of addtt/attend-infer-repeat-pytorch")
    parser.add_argument("--rounds", type=int, default=5, help="number of turns that each takes")
    parser.add_argument("--steps", type=int, default=20, help="number of steps in a turn, whose median counts")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    peers = {name: getattr(arguments, name) for name in _NEEDED if getattr(arguments, name)}
    _check(arguments.peers_python, peers)
    rows = {
        _OURS: (sys.executable, _OURS, _ROOT, _PEERS_SIZES),
        f"{_OURS}, its default networks": (sys.executable, _OURS, _ROOT, (*_PEERS_SIZES, "--attention.convolutional")),
        **{name: (arguments.peers_python, name, code, ()) for name, code in peers.items()},
    }
    with tempfile.TemporaryDirectory() as folder:
        images = os.path.join(folder, "images.npy")
        np.save(images, _images())
        processes = {name: _started(*row, images) for name, row in rows.items()}
        try:
            times = {name: [] for name in rows}
            for _ in range(arguments.rounds):
                for name, process in processes.items():
                    times[name].append(_turn(name, process, arguments.steps))
        finally:
            for process in processes.values():
                process.kill()
    _print_table(times)


def _check(python: Optional[str], peers: dict[str, str]) -> None:
    """Exits with one line if a peer's code or what it needs is not there."""
    if peers and not python:
        sys.exit("Error: --peers_python is needed, the interpreter of an environment with what peers need")
    for name, code in peers.items():
        file, packages = _NEEDED[name]
        if not os.path.exists(os.path.join(code, file)):
            sys.exit(f"Error: --{name}={code} has no {file}; see the top of {os.path.relpath(__file__)}")
        try:
            found = subprocess.run([python, "-W", "ignore", "-c", f"import {packages}"], capture_output=True, text=True)
        except OSError as error:
            sys.exit(f"Error: --peers_python={python} cannot be run: {error.strerror}")
        if found.returncode:
            sys.exit(f"Error: --peers_python={python} lacks what {name} needs: {found.stderr.splitlines()[-1]}")


def _images() -> np.ndarray:
    """A batch of what AIR is trained on, uint8 `[64, 50, 50, 1]`."""
    sys.path.insert(0, _ROOT)
    from tf_scenes.config import config_of
    from tf_scenes.data.datasets import load_dataset

    config = config_of([f"--flagfile={os.path.join(_ROOT, 'configs', 'air_multi_mnist.cfg')}", *_PEERS_SIZES])
    batches = load_dataset(config.data, config.job.seed).training_batches(air_steps.BATCH, config.job.seed)
    return np.asarray(next(iter(batches))["images"])


def _started(python: str, implementation: str, code: str, flags: tuple[str, ...], images: str) -> subprocess.Popen:
    command = [python, "-W", "ignore", air_steps.__file__, f"--implementation={implementation}", f"--code={code}"]
    process = subprocess.Popen(
        [*command, f"--images={images}", "--", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _answer(implementation, process, "ready")
    return process


def _turn(name: str, process: subprocess.Popen, steps: int) -> float:
    """Seconds a step, in one turn."""
    process.stdin.write(f"{steps}\n")
    process.stdin.flush()
    return float(_answer(name, process, "seconds ").split()[1])


def _answer(name: str, process: subprocess.Popen, expected: str) -> str:
    """The next line that a process prints which starts with what is expected."""
    for line in process.stdout:
        if line.startswith(expected):
            return line
    sys.exit(f"Error: {name} stopped; what it needs is said at the top of {os.path.relpath(__file__)}")


def _print_table(times: dict[str, list[float]]) -> None:
    ours = statistics.median(times[_OURS])
    print("| | ms a step, turn by turn | median | times the first row's |\n|---|---|---|---|")
    for name, seconds in times.items():
        turns = ", ".join(f"{1e3 * each:.0f}" for each in seconds)
        median = statistics.median(seconds)
        print(f"| {name} | {turns} | {1e3 * median:.0f} | {median / ours:.1f} |")


if __name__ == "__main__":
    main()
