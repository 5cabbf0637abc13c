"""The figures of a trained model."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tf_scenes.data.contrast import stretched
from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import (
    APPEARANCE,
    ATTRIBUTES,
    BACKGROUND,
    BOXES,
    CATEGORY,
    LOCATIONS,
    NUM_OBJECTS,
    PRESENCE,
    SIZES,
    SMALLEST_SIDE,
    Role,
    as_arrays,
    as_tensors,
    by_object,
    has_objects,
    is_present,
    of_role,
)
from tf_scenes.editing.edit_script import Edit
from tf_scenes.evaluation.samples import sample_scenes
from tf_scenes.evaluation.sweep import SWEPT_VALUES
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.visualization import plots

# Of larger images the middle is shown: cells are too small for more, and it would take long.
_LARGEST_SIDE = 512
# Of images that are inferred at once.
_MOST_PIXELS = 2**19
# Scenes that are drawn from the prior.
_SAMPLES = 32
# Images that are searched for objects to draw, and what is left free around these, in pixels.
_SEARCHED_IMAGES, _MARGIN = 32, 8


class _Example(NamedTuple):
    """A held-out image as it is shown, float32 `[height, width, channels]`, and the true number of objects if known."""

    image: np.ndarray
    count: Optional[int]


class _Inference(NamedTuple):
    """Images of one size, float32 `[images, height, width, channels]`, their descriptions and reconstructions."""

    images: tf.Tensor
    description: dict[str, tf.Tensor]
    pixel_means: np.ndarray


def reconstruction_sheet(
    model: SceneModel, dataset: Dataset, split_name: str, num_images: int = 10, max_objects: Optional[int] = None
) -> Figure:
    """The first images of a held-out split, their reconstructions below, and the objects found in them.

    Objects are in boxes or, in photographs and where there are many, outlined. The contrast of photographs is
    stretched.

    Args:
        model: Trained model.
        dataset: Data set.
        split_name: Name of the split.
        num_images: Most images; of large ones there are as many as fit in a row.
        max_objects: Most objects found in an image, see `SceneModel.encode`.
    """
    examples = list(_examples(dataset, split_name, num_images))
    examples = examples[: plots.most_columns([example.image for example in examples])]
    inferences = [_infer(model, images, max_objects) for images in _of_one_size(examples)]
    images, pixel_means = _as_shown(dataset, inferences)
    if not model.finds_objects:
        return plots.image_grid([*images, *pixel_means], columns=len(images), cell=plots.cell_inches(images))
    description = _joined(inferences, (NUM_OBJECTS, CATEGORY))
    many = description[NUM_OBJECTS].max() > plots.MOST_SPRITES
    objects = _masks(model, inferences) if many or not dataset.black_background else _boxes(model, inferences)
    true_counts = [example.count for example in examples]
    return plots.reconstructions(
        images,
        pixel_means,
        description,
        **objects,
        **_views(model, inferences),
        true_counts=None if None in true_counts else true_counts,
    )


def _examples(dataset: Dataset, split_name: str, num_images: int) -> Iterator[_Example]:
    """The first images of a split, those of a size together."""
    for batch in dataset.evaluation_batches(split_name, num_images, limit=num_images):
        arrays = as_arrays(batch)
        for number, image in enumerate(arrays["images"]):
            top, left = (max(0, side - _LARGEST_SIDE) // 2 for side in image.shape[:2])
            middle = np.s_[top : top + _LARGEST_SIDE, left : left + _LARGEST_SIDE]
            count = arrays["counts"][number] if "counts" in arrays else None
            if image[middle].shape != image.shape:
                count = len(np.setdiff1d(arrays["masks"][number][middle], [0])) if "masks" in arrays else None
            yield _Example(image[middle], count)


def _of_one_size(examples: Sequence[_Example]) -> Iterator[tf.Tensor]:
    """Batches of images of one size with a bounded number of pixels, in order."""
    for (height, width, _), group in itertools.groupby(
        (example.image for example in examples), key=lambda image: image.shape
    ):
        images, most = np.stack(list(group)), max(1, _MOST_PIXELS // (height * width))
        for first in range(0, len(images), most):
            yield tf.constant(images[first : first + most])


def _infer(model: SceneModel, images: tf.Tensor, max_objects: Optional[int] = None) -> _Inference:
    description = model.encode(images, max_objects)
    return _Inference(images, description, model.decode(description, *images.shape[1:3]).numpy())


def _as_shown(dataset: Dataset, inferences: Sequence[_Inference]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images and reconstructions; those of photographs with the same stretched contrast."""
    pairs = [pair for each in inferences for pair in zip(each.images.numpy(), each.pixel_means)]
    if not dataset.black_background:
        pairs = [(stretched(image, image), stretched(pixel_means, image)) for image, pixel_means in pairs]
    images, pixel_means = zip(*pairs)
    return list(images), list(pixel_means)


def _joined(inferences: Sequence[_Inference], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Fields of all descriptions, those that there are."""
    there = [name for name in names if name in inferences[0].description]
    return {name: np.concatenate([each.description[name] for each in inferences]) for name in there}


def _boxes(model: SceneModel, inferences: Sequence[_Inference]) -> dict[str, np.ndarray]:
    found = [model.geometry(each.description, *each.images.shape[1:3])[BOXES] for each in inferences]
    return {"boxes": np.concatenate(found)}


def _masks(model: SceneModel, inferences: Sequence[_Inference]) -> dict[str, list[np.ndarray]]:
    return {"masks": [masks for each in inferences for masks in model.masks(each.images, each.description).numpy()]}


def _views(model: SceneModel, inferences: Sequence[_Inference]) -> dict[str, Sequence[np.ndarray]]:
    """What else the model shows; only of as many objects as are drawn."""
    views = []
    for each in inferences:
        first = {name: values[:, : plots.MOST_SPRITES] for name, values in by_object(each.description).items()}
        views.append(as_arrays(model.views(each.images, {**each.description, **first})))
    joined = {name: [value for each in views for value in each[name]] for name in views[0]}
    return {name: np.stack(values) if name == "sprites" else values for name, values in joined.items()}


def outline_sheet(
    images: Sequence[np.ndarray], masks: Sequence[np.ndarray], true_masks: Optional[Sequence[np.ndarray]] = None
) -> Figure:
    """Photographs, and below them the outlines and the number of the objects found, and of the true ones if known.

    Args:
        images: Photographs, float32 `[height, width, channels]` in [0, 1] each.
        masks: Masks of the objects found, int32 `[height, width]` each.
        true_masks: Masks of the true objects, int32 `[height, width]` each.
    """
    rows = {"found": masks, **({} if true_masks is None else {"true": true_masks})}
    return plots.outlines([stretched(image, image) for image in images], rows)


def generated_sheet(description: dict[str, np.ndarray], images: np.ndarray) -> Figure:
    """Scenes drawn from the prior, each with its number of objects if the model finds objects."""
    return plots.image_grid(images, [f"n = {count}" for count in description.get(NUM_OBJECTS, ())])


def description_sheet(model: SceneModel, dataset: Dataset, split_name: str, num_images: int = 5) -> Figure:
    """Input with boxes, reconstruction and latent codes of the first images in which an object is found.

    If none is found, the first images are shown.

    Args:
        model: Trained model with categories.
        dataset: Data set.
        split_name: Name of the held-out split.
        num_images: Most images.
    """
    examples = list(_examples(dataset, split_name, 4 * num_images))
    inferences = [_infer(model, images) for images in _of_one_size(examples)]
    images, pixel_means = _as_shown(dataset, inferences)
    fields = _joined(inferences, {**by_object(inferences[0].description), NUM_OBJECTS: None})
    boxes = _boxes(model, inferences)["boxes"]
    found = np.flatnonzero(fields[NUM_OBJECTS])
    chosen = found[:num_images] if found.size else np.arange(min(num_images, len(images)))
    return plots.descriptions(
        [images[index] for index in chosen],
        [pixel_means[index] for index in chosen],
        {name: values[chosen] for name, values in fields.items()},
        boxes[chosen],
    )


def attribute_sheet(model: SceneModel, size: int, values: Sequence[float] = SWEPT_VALUES) -> Figure:
    """An object of each category with different values of its first attribute, the other attributes being 0.

    Args:
        model: Model with categories and attributes.
        size: Side of each picture in pixels.
        values: Values of the attribute, from top to bottom.
    """
    categories, levels = np.meshgrid(np.arange(model.num_categories), values)
    count = categories.size
    description = _objects_alone(model, count, size)
    description[SIZES][:] = size
    description[CATEGORY][:, 0] = categories.ravel()
    description[ATTRIBUTES][:, 0, 0] = levels.ravel()
    images = model.decode(description, size, size).numpy()
    titles = [f"{category}: {level:+g}" for category, level in zip(categories.ravel(), levels.ravel())]
    return plots.image_grid(images, titles, columns=model.num_categories)


def _objects_alone(model: SceneModel, count: int, side: int) -> dict[str, np.ndarray]:
    """Scenes of one object in the middle of a square canvas, on an even background; all of its appearance is 0."""
    scenes = as_arrays(model.sample_description(count, side, side, tf.constant([0, 0]), 1))
    unset = {BACKGROUND, *of_role(scenes, Role.APPEARANCE)}
    scenes = {name: np.zeros_like(values) if name in unset else values for name, values in scenes.items()}
    scenes[PRESENCE] = np.ones_like(scenes[PRESENCE])
    scenes[LOCATIONS] = np.full_like(scenes[LOCATIONS], (side - 1) / 2.0)
    return scenes


def traversal_sheet(
    model: SceneModel, dataset: Dataset, split_name: str, num_latents: int = 8, values: Sequence[float] = SWEPT_VALUES
) -> Optional[Figure]:
    """Two objects, each drawn alone with different values of one latent of its appearance at a time.

    Args:
        model: Trained model.
        dataset: Data set.
        split_name: Name of the held-out split in whose first images the objects are found.
        num_latents: Most latents shown, a row each: those whose posterior means differ most between objects.
        values: Values of the latent, from left to right, in standard deviations of its prior.

    Returns:
        The figure; None if the model has no Gaussian appearances, or finds no object.
    """
    found, side = _found_objects(model, dataset, split_name)
    if APPEARANCE not in found or not len(found[APPEARANCE]):
        return None
    latents = np.argsort(-found[APPEARANCE].var(axis=0), kind="stable")[:num_latents]
    shown = min(2, len(found[APPEARANCE]))
    drawn = [(latent, number, value) for latent in latents for number in range(shown) for value in values]
    description = _objects_alone(model, len(drawn), side)
    for name, field in found.items():
        description[name] = field[[number for _, number, _ in drawn]][:, None]
    for row, (latent, _, value) in enumerate(drawn):
        description[APPEARANCE][row, 0, latent] = value
    images = model.decode(as_tensors(description), side, side).numpy()
    titles = [f"z{latent} = {value:+g}" for latent, _, value in drawn]
    return plots.image_grid(images, titles, columns=shown * len(values))


def _found_objects(model: SceneModel, dataset: Dataset, split_name: str) -> tuple[dict[str, np.ndarray], int]:
    """Appearances of all objects in the first images, `[objects, ...]`, and the side of a canvas for each in pixels."""
    found, sides = [], [float(SMALLEST_SIDE)]
    for images in _of_one_size(list(_examples(dataset, split_name, _SEARCHED_IMAGES))):
        description = model.encode(images)
        if not has_objects(description):
            return {}, SMALLEST_SIDE
        boxes = model.geometry(description, *images.shape[1:3])[BOXES].numpy() * np.tile(images.shape[1:3], 2)
        scene = as_arrays(description)
        present = is_present(scene)
        sides.extend((boxes[present][:, 2:] - boxes[present][:, :2]).max(axis=1) + _MARGIN)
        found.append({name: field[present] for name, field in of_role(scene, Role.APPEARANCE).items()})
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}, int(max(sides))


def edit_sheet(
    images: np.ndarray, inferred: Mapping[str, np.ndarray], script: Sequence[Edit], pictures: np.ndarray
) -> Figure:
    """Input with the numbers of its objects, reconstruction, and a row for each edit that is not a reset.

    Args:
        images: Images, float32 `[scenes, height, width, channels]` in [0, 1].
        inferred: Descriptions of the images before any edit.
        script: Edits.
        pictures: Reconstructions, then the scenes after each edit, float32
            `[1 + edits, scenes, height, width, channels]`.
    """
    rows = [0, *(row for row, edit in enumerate(script, start=1) if edit.word != "reset")]
    labels = ["reconstruction", *(script[row - 1].text for row in rows[1:])]
    return plots.numbered_rows(images, inferred[LOCATIONS], inferred[PRESENCE], pictures[rows], labels)


def write_figures(model: SceneModel, dataset: Dataset, split_names: Sequence[str], folder: str, seed: int) -> list[str]:
    """Writes all figures of a model as PNG files.

    Args:
        model: Trained model.
        dataset: Data set.
        split_names: Names of the held-out splits whose images are shown.
        folder: Folder for the figures.
        seed: Seed of the scenes that are drawn.

    Returns:
        Paths of the files.
    """
    sheets = {f"reconstructions_{name}": reconstruction_sheet(model, dataset, name) for name in split_names}
    if model.num_categories:
        sheets.update({f"descriptions_{name}": description_sheet(model, dataset, name) for name in split_names})
    if model.num_attributes:
        sheets["attributes"] = attribute_sheet(model, 28)
    traversals = traversal_sheet(model, dataset, split_names[0])
    if traversals is not None:
        sheets["traversals"] = traversals
    for name, from_prior in (("prior_samples", True), ("fitted_samples", False)):
        if from_prior or model.fits_appearances:
            scenes = sample_scenes(model, _SAMPLES, *dataset.image_shape[:2], seed, from_prior=from_prior)
            sheets[name] = generated_sheet(*scenes)
    paths = []
    for name, sheet in sheets.items():
        paths.append(os.path.join(folder, f"{name}.png"))
        plots.save(sheet, paths[-1])
    return paths
