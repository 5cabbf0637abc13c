"""The objects of one picture, in its own pixels."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from skimage.measure import regionprops_table
from skimage.segmentation import relabel_sequential
from skimage.transform import resize

from tf_scenes.descriptions import CATEGORY, MASKS, Description, Role, by_object, field, is_present

# The roles of fields that tables have.
_COLUMNS = (Role.PLACE, Role.APPEARANCE)


@dataclasses.dataclass(frozen=True)
class PictureObjects:
    """The objects of one picture, numbered from 1, in its own pixels; 0 is the middle of the first pixel.

    Attributes:
        labels: The object that each pixel belongs to, int32 `[height, width]`, 0 for the background.
        centroids: Mean place of each object's pixels, float64 `[objects, 2]`, y then x.
        boxes: Bounding boxes of each object's pixels, int64 `[objects, 4]`: ymin, xmin, and exclusive ymax, xmax.
        areas: Number of each object's pixels, int64 `[objects]`.
        fields: What else the model says, by column, `[objects]` each.
        slots_left: Whether the model could have found another object.
    """

    labels: np.ndarray
    centroids: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    fields: Mapping[str, np.ndarray]
    slots_left: bool

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.areas)

    @property
    def has_categories(self) -> bool:
        """Whether the model has categories."""
        return CATEGORY in self.fields

    @property
    def categories(self) -> np.ndarray:
        """Each object's category, int `[objects]`; all 0 for models without categories."""
        return self.fields.get(CATEGORY, np.zeros(len(self), np.int32))


def picture_objects(description: Description, height: int, width: int) -> PictureObjects:
    """The objects that a model finds in a picture, maybe resized. Objects to which no pixel belongs are left out.

    Args:
        description: Description of one scene with `masks`, `[1, ...]` each.
        height: Height of the picture in its own pixels.
        width: Width of the picture in its own pixels.
    """
    (masks,), size = description[MASKS], (height, width)
    if masks.shape != size:
        masks = resize(masks, size, order=0, preserve_range=True, anti_aliasing=False).astype(masks.dtype)
    scale = np.array(size) / description[MASKS].shape[1:]
    slots = np.setdiff1d(masks, [0]) - 1
    labels, _, _ = relabel_sequential(masks)
    measured = regionprops_table(labels, properties=("area", "centroid", "bbox"))
    stacked = {
        name: np.stack([measured[f"{name}-{number}"] for number in range(count)], axis=-1)
        for name, count in (("centroid", 2), ("bbox", 4))
    }
    return PictureObjects(
        labels,
        stacked["centroid"],
        stacked["bbox"].astype(np.int64),
        np.asarray(measured["area"]).astype(np.int64),
        fields=_columns(description, slots, scale),
        slots_left=not bool(np.all(is_present(description))),
    )


def found(objects: int, images: int) -> str:
    """Says how many objects were found in how many images."""
    of_objects, of_images = (
        f"{count} {word}{'s' if count != 1 else ''}" for count, word in ((objects, "object"), (images, "image"))
    )
    return f"Found {of_objects} in {of_images}"


def full_slots_warning(images: int, slots: int) -> str:
    """What to say if objects may have been missed.

    Args:
        images: Number of images with no slots left, at least 1.
        slots: Number of slots.
    """
    return (
        f"Warning: in {images} image{'s' if images > 1 else ''} the model found {slots} objects, the most that it "
        "looks for; there may be more. Raise --max_inferred_objects; an exported model has to be exported again with it"
    )


def _columns(description: Description, slots: np.ndarray, scale: np.ndarray) -> dict[str, np.ndarray]:
    """What the model says about the objects in some slots, by column: a field of several numbers has one for each.

    Places come first, then fields of few numbers: tables of trained and of exported models have the same order.
    """
    fields = {name: values for name, (values,) in by_object(description).items() if field(name).role in _COLUMNS}
    columns = {}
    for name in sorted(fields, key=lambda name: (_COLUMNS.index(field(name).role), fields[name][0].size, name)):
        values, suffixes = fields[name][slots].reshape(len(slots), fields[name][0].size), [""]
        if field(name).in_pixels:
            # A point's coordinates are 0 at the middle of the first pixel, a length's are not.
            shift = 0.5 if field(name).role is Role.PLACE else 0.0
            values, suffixes = (values + shift) * scale - shift, ["_y", "_x"]
        elif fields[name].ndim > 1:
            suffixes = [f"_{number}" for number in range(values.shape[1])]
        columns.update({f"{name}{suffix}": each for suffix, each in zip(suffixes, values.T)})
    return columns
