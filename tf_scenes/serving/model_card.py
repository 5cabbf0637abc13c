"""The model card, a page that goes with every exported model: its training, its measures and its limits."""

from collections.abc import Mapping
from typing import Any

from tf_scenes.models import registry

Report = Mapping[str, Any]

_NUMBERS = {
    "count_accuracy": "count accuracy",
    "correspondence": "category correspondence",
    "foreground_iou": "foreground IoU",
    "mse": "squared error per pixel",
    "elbo": "ELBO, nats",
}


def model_card(name: str, report: Report) -> str:
    """The model card in Markdown.

    Args:
        name: Name of the run.
        report: Report of the run, the contents of `report.json`.
    """
    flags = report["flags"]
    splits = [split for split in report if split == "test" or split.startswith("test_")]
    entry = registry.entry(flags["model"])
    limits = "\n".join(f"- {limit}" for limit in entry.limits)
    return f"""# {name}

{entry.summary} Two SavedModels for plain TensorFlow and TensorFlow Serving: `encoder/` (images to scene
descriptions) and `decoder/` (scene descriptions to images), each with its versions in numbered folders.

## Training

- {_data(flags)}
- {_training(report)}
- All flags are in `report.json`.

## Numbers

Measured on held-out images, {report["test"]["images"]:,} of each split.

{_numbers(report, splits)}

## Limits

{limits}
"""


def _data(flags: Mapping[str, Any]) -> str:
    if flags["dataset"] == "images":
        return "Data: a user's own images, without labels."
    size, objects = (
        f"{flags['image_size']} x {flags['image_size']}",
        f"{flags['min_objects']} to {flags['max_objects']}",
    )
    return (
        f"Data: `{flags['dataset']}`, {flags['train_size']:,} scenes of {size} pixels with {objects} objects, seed "
        f"{flags['seed']}, without labels."
    )


def _training(report: Report) -> str:
    flags, machine = report["flags"], report["machine"]
    return (
        f"{report['train_steps']:,} steps of {flags['batch_size']} images, {report['parameters']:,} parameters, "
        f"{report['train_seconds'] / 60:.0f} minutes on {machine['processor']} ({machine['cores']} cores), TensorFlow "
        f"{report['versions']['tensorflow']}."
    )


def _numbers(report: Report, splits: list[str]) -> str:
    lines = [["", *splits], ["---"] * (1 + len(splits))]
    for name, label in _NUMBERS.items():
        values = [report[split].get(name) for split in splits]
        if None not in values:
            lines.append([label, *(f"{value:.4g}" for value in values)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
