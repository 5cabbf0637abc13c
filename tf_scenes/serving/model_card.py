"""The model card, a page that goes with every exported model: its training, its measures and its limits."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tf_scenes.errors import UserError
from tf_scenes.models import registry

Report = Mapping[str, Any]

_NUMBERS = {
    "count_accuracy": "count accuracy",
    "correspondence": "category correspondence",
    "foreground_iou": "foreground IoU",
    "mse": "squared error per pixel",
    "elbo": "ELBO, nats",
}
# Of photographs, on which classical segmentation is measured too.
_NUMBERS_OF_PHOTOGRAPHS = {
    "ap_50": "average precision at an IoU of 0.5",
    "ap_70": "average precision at an IoU of 0.7",
    "f1": "F1 at an IoU of 0.5",
    "count_error": "mean absolute count error",
    "count_accuracy": "exact counts",
    "mse": "squared error per pixel",
}
_CLASSICAL = "Otsu + watershed"


def measured_splits(report: Report) -> list[str]:
    """Names of the splits whose numbers speak for a model: the test splits, or else `validation`, if measured."""
    tests = [name for name in report if name == "test" or name.startswith("test_")]
    return tests or [name for name in ("validation",) if name in report]


def model_card(folder: str, report: Report, finds_objects: bool) -> str:
    """The model card in Markdown.

    Args:
        folder: Folder of the export, by whose name the model is called.
        report: Report of the export, the contents of its `report.json`: that of the run, with at least one of
            `measured_splits`, and under `notes` sentences on how it was trained or exported.
        finds_objects: Whether the model finds objects.

    Raises:
        UserError: If the report lacks what a card says, or has it in another form.
    """
    try:
        return _model_card(folder, report, finds_objects)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the report for the card of {folder} is damaged ({error!r}): delete it, and evaluate"
        ) from error


def _model_card(folder: str, report: Report, finds_objects: bool) -> str:
    flags, splits = report["flags"], measured_splits(report)
    folder = os.path.normpath(folder)
    entry = registry.entry(flags["model"])
    limits = "\n".join(f"- {limit}" for limit in entry.limits_of(flags))
    return f"""# {os.path.basename(folder)}

{entry.summary} Two SavedModels for plain TensorFlow and TensorFlow Serving: `encoder/` (images to scene
descriptions) and `decoder/` (scene descriptions to images), each with its versions in numbered folders.
{_usage(folder) if finds_objects else ""}
## Training

- {_data(report)}
- {_training(report)}
{_lines(report.get("notes", ()))}- All flags are in `report.json`.

## Numbers

Measured on held-out images, {report[splits[0]]["images"]:,} of each split.

{_numbers(report, splits)}
{_categories(report[splits[0]], splits[0])}
## Limits

{limits}
"""


def _categories(measures: Report, split: str) -> str:
    """What each category turned out to be, by the labels of a split; empty for models without categories."""
    names = measures.get("category_names")
    if not names:
        return ""
    use = enumerate(measures["category_use"])
    rows = "\n".join(f"| {category} | {names.get(str(category), 'none')} | {count:,} |" for category, count in use)
    kept, swept = measures.get("swept_category_kept"), ""
    if kept is not None:
        sentence = (
            "If the attribute of an object is set to -2, -1, 0, 1 and 2, {:.3f} of what is drawn keeps its category."
        )
        swept = f"\n{sentence.format(kept)}\n"
    return f"""
## Categories

They were found without labels; which label each stands for was read off `{split}` afterwards.

| category | label | objects |
| --- | --- | --- |
{rows}
{swept}"""


def _usage(folder: str) -> str:
    return f"""
## Use

Finds the objects in a folder of pictures, a glob or one picture, and writes their number, tables, masks and outlines:

```sh
python main.py --mode=predict --predict_images=FOLDER --predict_models={folder} --predict_dir=RESULTS
python main.py --mode=predict --predict_images='FOLDER/*.tif' --predict_models={folder}
```
"""


def _lines(notes: Sequence[str]) -> str:
    return "".join(f"- {note}\n" for note in notes)


def _data(report: Report) -> str:
    flags = report["flags"]
    if flags["dataset"] == "images":
        path = report.get("data", {}).get("images_path")
        of = "the images of `" + path.replace("`", "'") + "`" if path else "a user's own images"
        crops = f", in crops of {flags['crop_size']} x {flags['crop_size']} pixels" if flags.get("crop_size") else ""
        return f"Data: {of}{crops}, without labels."
    size, objects = (
        f"{flags['image_size']} x {flags['image_size']}",
        f"{flags['min_objects']} to {flags['max_objects']}",
    )
    origin = report.get("data", {}).get("origin")
    return (
        f"Data: `{flags['dataset']}`, {flags['train_size']:,} scenes of {size} pixels with {objects} objects, seed "
        f"{flags['seed']}, without labels{f'; made of {origin}' if origin else ''}."
    )


def _training(report: Report) -> str:
    flags, machine, minutes = report["flags"], report["machine"], round(report["train_seconds"] / 60)
    time = f"{minutes} minute{'s' if minutes != 1 else ''}"
    return (
        f"{report['train_steps']:,} steps of {flags['batch_size']} images, {report['parameters']:,} parameters, "
        f"{time} on {machine['processor']} ({machine['cores']} cores; other programs may have run beside it), "
        f"TensorFlow {report['versions']['tensorflow']}."
    )


def _numbers(report: Report, splits: list[str]) -> str:
    classical = report.get("classical", {})
    columns = {}
    for split in splits:
        columns[split] = report[split]
        if split in classical:
            columns[f"{split}, {_CLASSICAL}"] = classical[split]
    lines = [["", *columns], ["---"] * (1 + len(columns))]
    for name, label in (_NUMBERS_OF_PHOTOGRAPHS if classical else _NUMBERS).items():
        if None not in [report[split].get(name) for split in splits]:
            values = [measures.get(name) for measures in columns.values()]
            lines.append([label, *("-" if value is None else f"{value:.4g}" for value in values)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
