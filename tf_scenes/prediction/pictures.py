"""Pictures as a model takes them, and as a person sees what it found."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries
from skimage.transform import resize

from tf_scenes.data.contrast import stretched
from tf_scenes.data.image_files import as_unit_range, with_channels
from tf_scenes.descriptions import LARGEST_SIDE
from tf_scenes.errors import UserError

# Folders of results.
MASKS, OVERLAYS = "masks", "overlays"
# Pixels of one colour that no grey picture has, neither on black nor on white hard to see.
_COLOR = (255, 48, 144)
# Side of the picture as a multiple of the height of the count's digits, and the smallest such height in pixels.
_DIGITS, _SMALLEST_DIGITS = 16, 12


def as_model_input(picture: np.ndarray, channels: int, scale: float) -> np.ndarray:
    """A picture as a batch of one image for a model.

    Args:
        picture: Picture, uint8, uint16 or float32 `[height, width, 1 or 3]`.
        channels: Number of channels that the model takes.
        scale: Factor to resize the picture by, against aliases.

    Returns:
        Image, float32 `[1, scale * height, scale * width, channels]` in [0, 1].

    Raises:
        UserError: If the image would be larger than any model takes.
    """
    if scale * max(picture.shape[:2]) > LARGEST_SIDE:
        raise UserError(f"height and width must be at most {LARGEST_SIDE:,} pixels once it is resized")
    image = with_channels(as_unit_range(picture), channels)
    if scale != 1.0:
        size = [max(1, round(side * scale)) for side in image.shape[:2]]
        image = resize(image, size, order=1, mode="edge", anti_aliasing=scale < 1.0).clip(0.0, 1.0)
    return image.astype(np.float32)[None]


def result_pictures(result_name: str, picture: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """The mask and the overlay of a picture.

    Args:
        result_name: Path of both in their folders, without extension, with `/`.
        picture: Picture, uint8, uint16 or float32 `[height, width, 1 or 3]`.
        labels: The object that each pixel belongs to, int32 `[height, width]`, 0 for the background.

    Yields:
        Path in the folder of the results, with `/`, and contents of a PNG file.
    """
    for folder, image in ((MASKS, label_image(labels)), (OVERLAYS, overlay(picture, labels))):
        contents = io.BytesIO()
        image.save(contents, format="PNG")
        yield f"{folder}/{result_name}.png", contents.getvalue()


def overlay(picture: np.ndarray, labels: np.ndarray) -> Image.Image:
    """A picture with its objects outlined, and their number in a corner; its contrast is stretched.

    Args:
        picture: Picture, uint8, uint16 or float32 `[height, width, 1 or 3]`.
        labels: The object that each pixel belongs to, int32 `[height, width]`, 0 for the background.
    """
    values = with_channels(as_unit_range(picture), 3)
    pixels = np.round(255.0 * stretched(values, values)).astype(np.uint8)
    pixels[find_boundaries(labels, mode="inner")] = _COLOR
    drawn = Image.fromarray(pixels)
    digits = ImageFont.load_default(max(_SMALLEST_DIGITS, min(drawn.size) // _DIGITS))
    text = {"fill": _COLOR, "font": digits, "stroke_width": 2, "stroke_fill": (0, 0, 0)}
    ImageDraw.Draw(drawn).text((4, 2), str(labels.max()), **text)
    return drawn


def label_image(labels: np.ndarray) -> Image.Image:
    """Labels as a grey picture, of 8 bits for up to 255 objects and otherwise of 16.

    Args:
        labels: The object that each pixel belongs to, int32 `[height, width]`, 0 for the background.
    """
    return Image.fromarray(labels.astype(np.uint8 if labels.max() <= 255 else np.uint16))
