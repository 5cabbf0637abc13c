"""What each object of a scene shows when it is drawn alone: masks and boxes, for any model that finds objects.

Objects are drawn one after another, so memory grows with the canvas and not with the number of objects.
"""

from collections.abc import Mapping
from typing import Callable

import tensorflow as tf

from tf_scenes.descriptions import LOCATIONS, PRESENCE, decoded, field, is_present
from tf_scenes.layers.boxes import boxes_of_visible
from tf_scenes.layers.visibility import is_visible, relative_to_peak

Description = Mapping[str, tf.Tensor]
# `SceneModel.decode`.
Decode = Callable[[Description, tf.Tensor, tf.Tensor], tf.Tensor]


def masks_of_objects(decode: Decode, description: Description, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The object that each pixel belongs to: the one that shows most there, relative to its own peak, if it shows.

    Args:
        decode: The model's decoder.
        description: Scene descriptions.
        height: Height of the canvas in pixels, scalar int32.
        width: Width of the canvas in pixels, scalar int32.

    Returns:
        Masks, int32 `[batch, height, width]`: 0 for the background, i + 1 for the object of slot i.
    """
    show = _Drawings(decode, description, height, width)

    def add(so_far: tuple[tf.Tensor, tf.Tensor], slot: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        most, masks = so_far
        fractions = show.relative_to_peak(slot)
        wins = is_visible(fractions) & (fractions > most)
        return tf.where(wins, fractions, most), tf.where(wins, slot + 1, masks)

    nothing = tf.zeros_like(show.empty[..., 0])
    _, masks = tf.foldl(add, show.slots, (nothing, tf.cast(nothing, tf.int32)), parallel_iterations=1)
    return masks


def boxes_of_objects(decode: Decode, description: Description, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Tight boxes around what each object shows on the canvas.

    Args:
        decode: The model's decoder.
        description: Scene descriptions.
        height: Height of the canvas in pixels, scalar int32.
        width: Width of the canvas in pixels, scalar int32.

    Returns:
        Boxes, float32 `[batch, slots, 4]`: ymin, xmin, ymax and xmax as fractions of the canvas, within [0, 1]; the
        pixel of its location for an object that shows nothing on the canvas, and 0 for absent ones.
    """
    show = _Drawings(decode, description, height, width)
    presence = tf.cast(is_present(description), tf.float32)

    def add(boxes: tf.Tensor, slot: tf.Tensor) -> tf.Tensor:
        locations = tf.cast(tf.round(description[LOCATIONS][:, slot]), tf.int32)
        box = boxes_of_visible(is_visible(show.relative_to_peak(slot)), locations, height, width)
        return boxes + tf.one_hot(slot, tf.shape(boxes)[1])[:, None] * box[:, None]

    nothing = tf.zeros_like(presence)[..., None] * tf.zeros([4])
    boxes = tf.foldl(add, show.slots, nothing, parallel_iterations=1)
    return boxes * presence[..., None]


class _Drawings:
    """Drawings of single objects.

    Attributes:
        slots: Slots up to the last one in use, int32 `[n]`.
        empty: The scenes without objects, float32 `[batch, height, width, channels]`.
    """

    def __init__(self, decode: Decode, description: Description, height: tf.Tensor, width: tf.Tensor):
        self._draw = lambda scenes: decode(scenes, height, width)
        self._description = decoded(description)
        self._present = is_present(description)
        in_use = tf.reduce_any(self._present, axis=0)
        self.slots = tf.range(tf.reduce_max(tf.where(in_use, 1 + tf.range(tf.shape(in_use)[0]), 0)))
        alone = self._alone(tf.constant(0))
        self.empty = self._draw({**alone, PRESENCE: tf.zeros_like(alone[PRESENCE])})

    def relative_to_peak(self, slot: tf.Tensor) -> tf.Tensor:
        """How much the object of a slot shows at each pixel of its scene: float32 `[batch, height, width]` in [0, 1].

        An object shows where it changes the empty scene, whether it makes it brighter or darker.
        """
        drawn = tf.abs(self._draw(self._alone(slot)) - self.empty)
        return relative_to_peak(tf.where(self._present[:, slot][:, None, None, None], drawn, 0.0))

    def _alone(self, slot: tf.Tensor) -> dict[str, tf.Tensor]:
        """The descriptions with one slot."""
        return {
            name: tf.gather(value, slot[None], axis=1) if field(name).by_object else value
            for name, value in self._description.items()
        }
