"""Plots of scenes, descriptions and curves from arrays, with matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Optional

import matplotlib
import numpy as np
from matplotlib import figure, patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tf_scenes.descriptions import CATEGORY, LOCATIONS, NUM_OBJECTS, SIZES, Role, by_object, field, of_role
from tf_scenes.files import write_whole
from tf_scenes.visualization.picture_sheet import PictureSheet

_MOST_SPRITE_ROWS = 12
_BOX_COLORS = matplotlib.colormaps["tab10"].colors


def reconstructions(
    images: np.ndarray,
    pixel_means: np.ndarray,
    description: Mapping[str, np.ndarray],
    boxes: np.ndarray,
    sprites: np.ndarray,
    features: Optional[np.ndarray] = None,
) -> figure.Figure:
    """Images, their reconstructions and the inferred objects, in a column for each image.

    The rows are the input with a box around each inferred object, the reconstruction, the location features if given,
    and the sprite of each object unless there are too many for a page. The colour of an object is that of its category
    or, without categories, that of its slot.

    Args:
        images: Images, float `[images, height, width, channels]` in [0, 1].
        pixel_means: Reconstructions, float, of the same shape.
        description: Descriptions of the images from `SceneModel.encode`, with `num_objects` and, if the model has
            categories, `category`.
        boxes: Boxes of the objects from `SceneModel.geometry`, float `[images, slots, 4]`.
        sprites: Sprites of the objects, float `[images, slots, h, w, channels]` in [0, 1].
        features: Location features, float `[images, height, width]`.
    """
    order = np.broadcast_to(np.arange(sprites.shape[1]), sprites.shape[:2])
    colors = description.get(CATEGORY, order) % len(_BOX_COLORS)
    counts = description[NUM_OBJECTS]
    first_sprite_row = 2 + (features is not None)
    num_sprite_rows = max(1, int(counts.max())) if counts.max() <= _MOST_SPRITE_ROWS else 0
    labels = ["input", "reconstruction", "location\nfeatures"][:first_sprite_row]
    labels += ["sprites"] if num_sprite_rows else []
    sheet = PictureSheet(first_sprite_row + num_sprite_rows, len(images), labels)
    for column, count in enumerate(counts):
        _show_with_boxes(sheet, column, images[column], boxes[column, :count], colors[column])
        sheet.show(1, column, pixel_means[column])
        if features is not None:
            sheet.show(2, column, features[column], cmap="magma", vmax=max(1.0, features.max()))
        for i in range(min(count, num_sprite_rows)):
            _show_framed(sheet, first_sprite_row + i, column, sprites[column, i], _BOX_COLORS[colors[column, i]])
    return sheet.figure


def descriptions(
    images: np.ndarray, pixel_means: np.ndarray, description: Mapping[str, np.ndarray], boxes: np.ndarray
) -> figure.Figure:
    """Input with boxes, reconstruction, and the latent code of each object as text, in a column for each image.

    Args:
        images: Images, float `[images, height, width, channels]` in [0, 1].
        pixel_means: Reconstructions, float, of the same shape.
        description: Descriptions of the images from `SceneModel.encode`, with `category` and `sizes`.
        boxes: Boxes of the objects, see `reconstructions`.
    """
    counts = description[NUM_OBJECTS]
    sheet = PictureSheet(3, len(images), ["input", "reconstruction", "latent codes"], cell_inches=2.2)
    for column, count in enumerate(counts):
        colors = description[CATEGORY][column] % len(_BOX_COLORS)
        _show_with_boxes(sheet, column, images[column], boxes[column, :count], colors)
        sheet.show(1, column, pixel_means[column])
        for slot in range(count):
            code = {name: values[column, slot] for name, values in by_object(description).items()}
            text, color = "\n".join(_code_lines(code)), _BOX_COLORS[colors[slot]]
            sheet.write_in_cell(2, column, 0.33 * slot, text, color=color, fontsize=7, family="monospace")
    return sheet.figure


def _code_lines(code: Mapping[str, np.ndarray]) -> list[str]:
    """An object's latent code as lines of text."""
    (y, x), (height, width) = code[LOCATIONS], code[SIZES]
    lines = [f"category {code[CATEGORY]}", f"x {x:5.1f}  y {y:5.1f}", f"size {width:.1f} x {height:.1f}"]
    for name, values in of_role(code, Role.APPEARANCE).items():
        if field(name).circular:
            lines.append(f"{name[:-1]} {np.degrees(values) % 360:.0f} deg")
        elif name not in (CATEGORY, SIZES):
            lines.append(f"{name[:-1]} " + " ".join(f"{value:+.2f}" for value in values))
    return lines


def curves(series: Mapping[str, tuple[np.ndarray, np.ndarray]], label: str) -> figure.Figure:
    """Curves over optimisation steps.

    Args:
        series: Steps and values of each curve, by name.
        label: Label of the vertical axis.
    """
    sheet = figure.Figure(figsize=(6, 4), layout="constrained")
    axis = sheet.subplots()
    for name, (steps, values) in series.items():
        axis.plot(steps, values, label=name)
    axis.set_xlabel("optimisation steps")
    axis.set_ylabel(label)
    axis.grid(alpha=0.3)
    axis.legend()
    return sheet


def numbered_rows(
    images: np.ndarray, locations: np.ndarray, presence: np.ndarray, rows: np.ndarray, labels: Sequence[str]
) -> figure.Figure:
    """The input with a number on each inferred object, then further rows of pictures, in a column for each image.

    Args:
        images: Images, float `[images, height, width, channels]` in [0, 1].
        locations: Locations of the objects, float `[images, slots, 2]`, y then x in pixels.
        presence: Whether there is an object in each slot, 0 or 1, `[images, slots]`.
        rows: Further rows of pictures, float `[rows, images, height, width, channels]` in [0, 1].
        labels: Labels of the further rows.
    """
    sheet = PictureSheet(1 + len(rows), len(images), ["input", *labels])
    style = {"color": "white", "ha": "center", "va": "center", "fontsize": 9}
    style["path_effects"] = [patheffects.withStroke(linewidth=2, foreground="black")]
    for column, image in enumerate(images):
        sheet.show(0, column, image)
        for number in np.flatnonzero(presence[column] > 0.5):
            sheet.write(0, column, locations[column, number], image, str(number), **style)
        for row, pictures in enumerate(rows, start=1):
            sheet.show(row, column, pictures[column])
    return sheet.figure


def image_grid(images: np.ndarray, titles: Optional[Sequence[str]] = None, columns: int = 8) -> figure.Figure:
    """Images `[images, height, width, channels]` in [0, 1] in a grid, with titles above them if given."""
    rows = -(-len(images) // columns)
    sheet = PictureSheet(rows, min(columns, len(images)), titles_in_all_rows=bool(titles))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        sheet.show(row, column, image)
        if titles:
            sheet.title(row, column, titles[number])
    return sheet.figure


def save(sheet: figure.Figure, path: str) -> None:
    """Writes a figure as a PNG file; creates its folder if there is none."""
    write_whole(path, lambda file: sheet.savefig(file, dpi=120, format="png"))


def as_image(sheet: figure.Figure) -> np.ndarray:
    """A figure's pixels: uint8 `[height, width, 4]`."""
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def _show_with_boxes(
    sheet: PictureSheet, column: int, image: np.ndarray, boxes: np.ndarray, colors: np.ndarray
) -> None:
    """Draws an input with boxes around the objects found in it, in the first row."""
    sheet.show(0, column, image)
    for corners, color in zip(_corners(boxes, image.shape[:2]), colors):
        sheet.outline(0, column, corners, image, _BOX_COLORS[color])
    sheet.title(0, column, f"n = {len(boxes)}")


def _show_framed(sheet: PictureSheet, row: int, column: int, image: np.ndarray, color: tuple[float, ...]) -> None:
    sheet.show(row, column, image)
    (corners,) = _corners(np.array([[0.0, 0.0, 1.0, 1.0]]), image.shape[:2])
    # The line is wide because its outer half is clipped.
    sheet.outline(row, column, corners, image, color, width=4.0)


def _corners(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Corners of boxes, y then x in pixels of an image of that size: `[boxes, 4]` -> `[boxes, 4, 2]`."""
    return boxes[:, [[0, 1], [0, 3], [2, 3], [2, 1]]] * size - 0.5
