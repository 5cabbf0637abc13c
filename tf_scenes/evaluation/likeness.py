"""How much objects that a model draws look like those of its data set: inferred ones, and ones from the prior.

LAVAE's paper shows samples from the prior in pictures (figures 2 and 4); here they are measured. Each object is drawn
alone and compared with all sprites of the data set, by its intersection over union (IoU) with the one that fits best.
"""

import numpy as np
import tensorflow as tf

from tf_scenes.data.scene_datasets import SceneDataset
from tf_scenes.descriptions import LOCATIONS, PRESENCE, Description, as_arrays, by_object, decoded, is_present
from tf_scenes.evaluation.progress_bar import with_progress
from tf_scenes.models.scene_model import SceneModel

_SEED = 50_500
# From this IoU on an object counts as one that could be of the data set.
_ALIKE = 0.8
# Centres of mass may be this far apart along each axis, in pixels, where two masks are laid over one another.
_MOST_SHIFT = 2
# Objects and sprites that are compared at once, for the sake of memory.
_OBJECTS, _SPRITES = 50, 5_000


def likeness(
    model: SceneModel, dataset: SceneDataset, num_objects: int, batch_size: int
) -> dict[str, dict[str, float]]:
    """Measures how much objects look like sprites of the data set, where they are brighter than half of white.

    Args:
        model: Trained model that finds objects.
        dataset: Scenes composed of sprites.
        num_objects: Most objects of each kind.
        batch_size: Number of images that are inferred at once.

    Returns:
        Measures of objects `inferred` in images of the split `test`, of objects from the `prior` and, if the model
        `fits_appearances`, from the `fitted` distribution: `best_iou`, the mean IoU with the sprite that fits best;
        `alike`, the share of objects whose IoU is at least 0.8; `objects`, their number.
    """
    height, width = dataset.image_shape[:2]

    def sampled(from_prior: bool) -> Description:
        seed = tf.constant([_SEED, 0])
        return _alone(as_arrays(model.sample_description(3 * num_objects, height, width, seed, 1, from_prior)))

    drawn = {"inferred": _inferred(model, dataset, num_objects, batch_size), "prior": sampled(from_prior=True)}
    if model.fits_appearances:
        drawn["fitted"] = sampled(from_prior=False)
    sprites, results = dataset.generator.bank.sprites > 127, {}
    for name, scenes in drawn.items():
        scenes = {field: values[:num_objects] for field, values in scenes.items()}
        ious = best_ious(_images(model, scenes, height, width) > 0.5, sprites)
        results[name] = {"best_iou": float(ious.mean()), "alike": float(np.mean(ious >= _ALIKE)), "objects": len(ious)}
    return results


def _inferred(model: SceneModel, dataset: SceneDataset, num_objects: int, batch_size: int) -> Description:
    infer = tf.function(model.encode, reduce_retracing=True, autograph=False)
    parts, found = [], 0
    for batch in dataset.evaluation_batches("test", batch_size):
        parts.append(_alone(as_arrays(infer(batch["images"]))))
        found += len(parts[-1][PRESENCE])
        if found >= num_objects:
            break
    return {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}


def _alone(scenes: Description) -> Description:
    """A scene for each object, which holds no other."""
    scene, slot = np.nonzero(is_present(scenes))
    of_objects = by_object(scenes)
    return {
        field: values[scene, slot][:, None] if field in of_objects else values[scene]
        for field, values in decoded(scenes).items()
    }


def _images(model: SceneModel, scenes: Description, height: int, width: int) -> np.ndarray:
    """Draws each scene's object in the middle: `[scenes, height, width, channels]`."""
    middle = np.array([height // 2, width // 2], np.float32)
    scenes = {**scenes, LOCATIONS: np.broadcast_to(middle, scenes[LOCATIONS].shape)}
    draw = tf.function(lambda scenes: model.decode(scenes, height, width), reduce_retracing=True, autograph=False)
    parts = []
    for first in with_progress(range(0, len(scenes[PRESENCE]), _OBJECTS), "Drawing objects"):
        part = {field: tf.constant(values[first : first + _OBJECTS]) for field, values in scenes.items()}
        parts.append(draw(part).numpy())
    return np.concatenate(parts) if parts else np.zeros([0, height, width, 1], np.float32)


def best_ious(objects: np.ndarray, sprites: np.ndarray) -> np.ndarray:
    """The IoU of each object with the sprite, and in the place, that it fits best.

    Places are those in which the centres of mass, in whole pixels, are at most two pixels apart along each axis.

    Args:
        objects: Masks, bool `[objects, height, width, channels]`.
        sprites: Masks, bool `[sprites, h, w, channels]`.

    Returns:
        IoU over all pixels and channels, float `[objects]`; 0 for an object without pixels.
    """
    reach = max(_reach(masks) for masks in (objects, sprites)) + _MOST_SHIFT
    objects, sprites = (_centered(masks, reach).astype(np.float32) for masks in (objects, sprites))
    best = np.zeros(len(objects))
    flat, areas = sprites.reshape(len(sprites), -1), sprites.sum(axis=(1, 2, 3))
    shifts = [(y, x) for y in range(-_MOST_SHIFT, _MOST_SHIFT + 1) for x in range(-_MOST_SHIFT, _MOST_SHIFT + 1)]
    for start in with_progress(range(0, len(objects), _OBJECTS), "Comparing objects"):
        chosen = slice(start, start + _OBJECTS)
        shifted = np.stack([np.roll(objects[chosen], shift, axis=(1, 2)) for shift in shifts])
        own = objects[chosen].sum(axis=(1, 2, 3))[:, None]
        for first in range(0, len(sprites), _SPRITES):
            some = slice(first, first + _SPRITES)
            common = shifted.reshape(len(shifts) * len(own), -1) @ flat[some].T
            common = common.reshape(len(shifts), len(own), -1)  # [shifts, objects, sprites]
            iou = common / np.maximum(own + areas[some] - common, 1.0)
            best[chosen] = np.maximum(best[chosen], iou.max(axis=(0, 2)))
    return best


def _reach(masks: np.ndarray) -> int:
    """The largest height or width of a mask, in pixels: no pixel is farther than this from a centre of mass."""
    extents = [np.ptp(places) for mask in masks for places in np.nonzero(mask)[:2] if len(places)]
    return int(max(extents, default=0)) + 1


def _centered(masks: np.ndarray, reach: int) -> np.ndarray:
    """Moves centres of mass to the middle of a frame: `[masks, h, w, channels]` -> `[masks, side, side, channels]`."""
    side = 2 * reach + 1
    frames = np.zeros([len(masks), side, side, masks.shape[-1]], bool)
    for frame, mask in zip(frames, masks):
        rows, columns, channels = np.nonzero(mask)
        if len(rows):
            y, x = (np.round(places.mean()).astype(int) for places in (rows, columns))
            frame[rows - y + reach, columns - x + reach, channels] = True
    return frames
