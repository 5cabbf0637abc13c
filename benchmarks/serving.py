"""Compares exported encoders with the same networks called from Python: python benchmarks/serving.py.

Numbers are medians over calls; for latency there is also the 95th percentile. Export and Python take turns, so that
other load on the machine affects both.
"""

import argparse
import os
import sys
import time
from typing import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from tf_scenes.app.build import build_model
from tf_scenes.app.endings import one_line_errors
from tf_scenes.app.run_folder import read_report
from tf_scenes.config import config_of_values
from tf_scenes.data import registry
from tf_scenes.data.datasets import load_bundled_dataset
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.serving.versions import newest

_LATENCY_CALLS, _THROUGHPUT_CALLS, _BATCH = 60, 12, 64


def main() -> None:
    """Prints the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="saved_models", help="folder of exported models")
    folder = parser.parse_args().models
    if not os.path.isdir(folder):
        sys.exit(f"Error: --models={folder} is no folder of exported models")
    runs = [name for name in sorted(os.listdir(folder)) if _draws_its_scenes(os.path.join(folder, name))]
    if not runs:
        sys.exit(f"Error: {folder} holds no exported model of drawn scenes with a report.json")
    print("| model | batch 1, ms | 95th percentile | from Python | batch 64, images/s | from Python |")
    print("|---|---|---|---|---|---|")
    for name in runs:
        print(f"| `{name}` | {' | '.join(_measure(os.path.join(folder, name)))} |", flush=True)


def _draws_its_scenes(folder: str) -> bool:
    """Whether a model has a report, and its scenes are drawn; a user's images have other sizes, and other times."""
    report = read_report(os.path.join(folder, "report.json"))
    return bool(report) and registry.entry(report["flags"]["dataset"]).required_flag is None


def _measure(folder: str) -> list[str]:
    path = newest(os.path.join(folder, "encoder"))
    if path is None:
        sys.exit(f"Error: {folder}/encoder holds no exported version")
    loaded = tf.saved_model.load(path)
    exported = loaded.signatures["serving_default"]
    channels = exported.structured_input_signature[1]["images"].shape[-1]
    report = read_report(os.path.join(folder, "report.json"))
    settings = config_of_values({**report["flags"], **report["inference_flags"]})
    side = settings.data.image_size
    model = build_model(settings, (side, side, channels))
    slots = exported.structured_outputs["boxes"].shape[1] if "boxes" in exported.structured_outputs else None
    python = _from_python(model, slots)
    scenes = load_bundled_dataset(report["flags"])
    one, many = (next(iter(scenes.evaluation_batches("test", count)))["images"] for count in (1, _BATCH))
    latency = _seconds([lambda: exported(images=one), lambda: python(one)], _LATENCY_CALLS)
    throughput = _seconds([lambda: exported(images=many), lambda: python(many)], _THROUGHPUT_CALLS)
    return [
        f"{1e3 * np.median(latency[0]):.1f}",
        f"{1e3 * np.percentile(latency[0], 95):.1f}",
        f"{1e3 * np.median(latency[1]):.1f}",
        f"{_BATCH / np.median(throughput[0]):.0f}",
        f"{_BATCH / np.median(throughput[1]):.0f}",
    ]


def _from_python(model: SceneModel, slots: int) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """What a user of the package would call.

    Its weights are not the trained ones. That affects the time of AIR and Discrete-AIR, which look for objects until
    none is left, so that only LAVAE's and the VAE's times can be compared with the export's.
    """

    @tf.function
    def encode(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return model.encode(images, slots)

    return encode


def _seconds(calls: list[Callable[[], dict[str, tf.Tensor]]], repeats: int) -> np.ndarray:
    """Times of the calls, which take turns, after three rounds that are not timed: `[calls, repeats]`."""
    times = np.zeros((len(calls), repeats))
    for repeat in range(-3, repeats):
        for number, call in enumerate(calls):
            start = time.perf_counter()
            for value in call().values():
                value.numpy()
            if repeat >= 0:
                times[number, repeat] = time.perf_counter() - start
    return times


if __name__ == "__main__":
    with one_line_errors():
        main()
