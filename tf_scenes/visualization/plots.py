"""Plots of scenes, descriptions and curves from arrays, with matplotlib."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

import matplotlib
import numpy as np
from matplotlib import figure, patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import ndimage
from skimage import measure

from tf_scenes.descriptions import CATEGORY, LOCATIONS, NUM_OBJECTS, SIZES, Role, by_object, field, of_role
from tf_scenes.files import write_whole
from tf_scenes.visualization.picture_sheet import PictureSheet

# With more objects in an image, their sprites would not fit on a page; in large cells half as many.
MOST_SPRITES = 12
# Objects whose latent codes fit below an image.
_MOST_CODES = 3
_BOX_COLORS = matplotlib.colormaps["tab10"].colors
# Cells are as large as large images need; a row of them is as wide as a page, all in inches.
_SMALLEST_CELL, _LARGEST_CELL, _PAGE = 1.3, 2.6, 13.0
_PIXELS_PER_INCH = 100.0
# Part of a cell's side from which on a point can be seen.
_SMALLEST_PEAK = 150


def reconstructions(
    images: Sequence[np.ndarray],
    pixel_means: Sequence[np.ndarray],
    description: Mapping[str, np.ndarray],
    boxes: Optional[np.ndarray] = None,
    sprites: Optional[np.ndarray] = None,
    features: Optional[Sequence[np.ndarray]] = None,
    masks: Optional[Sequence[np.ndarray]] = None,
    true_counts: Optional[Sequence[int]] = None,
) -> figure.Figure:
    """Images, their reconstructions and the inferred objects, in a column for each image.

    The rows are the input with a box or an outline around each inferred object, the reconstruction, the location
    features if given, and the sprite of each object unless an image has more than `MOST_SPRITES`. The colour of an
    object is that of its category or, without categories, that of its slot.

    Args:
        images: Images, float `[height, width, channels]` in [0, 1] each; sizes may differ.
        pixel_means: Reconstructions, float, of the same shapes.
        description: Descriptions of the images from `SceneModel.encode`, with `num_objects` and, if the model has
            categories, `category`.
        boxes: Boxes of the objects from `SceneModel.geometry`, float `[images, slots, 4]`.
        sprites: Sprites of the objects, float `[images, slots, h, w, channels]` in [0, 1].
        features: Location features, float `[height, width]` each.
        masks: Masks of the objects from `SceneModel.masks`, int `[height, width]` each; boxes are not needed then.
        true_counts: True numbers of objects.
    """
    counts, cell = description[NUM_OBJECTS], cell_inches(images)
    with_sprites = sprites is not None and counts.max() <= MOST_SPRITES * _SMALLEST_CELL / cell
    num_sprite_rows = max(1, int(counts.max())) if with_sprites else 0
    labels = ["input", "reconstruction"] + ["location\nfeatures"] * (features is not None)
    first_sprite_row = len(labels)
    labels += ["sprites"] if num_sprite_rows else []
    sheet = PictureSheet(first_sprite_row + num_sprite_rows, len(images), labels, cell)
    highest = max([1.0, *(each.max() for each in (() if features is None else features))])
    for column, count in enumerate(counts):
        sheet.show(0, column, images[column])
        colors = _colors(description, column, count if masks is None else max(count, masks[column].max()))
        if masks is None:
            _draw_boxes(sheet, column, images[column], boxes[column, :count], colors)
        else:
            _draw_outlines(sheet, 0, column, masks[column], colors)
        sheet.title(0, column, f"n = {count}" + ("" if true_counts is None else f", true {true_counts[column]}"))
        sheet.show(1, column, pixel_means[column])
        if features is not None:
            sheet.show(2, column, _with_visible_peaks(features[column]), cmap="magma", vmax=highest)
        for i in range(min(count, num_sprite_rows)):
            _show_framed(sheet, first_sprite_row + i, column, sprites[column, i], colors[i])
    return sheet.figure


def outlines(images: Sequence[np.ndarray], rows: Mapping[str, Sequence[np.ndarray]]) -> figure.Figure:
    """Images, and again with the outlines of objects, found or true ones; their number stands above.

    Args:
        images: Images, float `[height, width, channels]` in [0, 1] each; sizes may differ.
        rows: Masks of the objects by the label of their row, int `[height, width]` each, 0 for the background.
    """
    sheet = PictureSheet(1 + len(rows), len(images), ["input", *rows], cell_inches(images), titles_in_all_rows=True)
    for column, image in enumerate(images):
        sheet.show(0, column, image)
        for row, masks in enumerate(rows.values(), start=1):
            sheet.show(row, column, image)
            _draw_outlines(sheet, row, column, masks[column], _colors({}, column, masks[column].max()))
            sheet.title(row, column, f"n = {len(np.setdiff1d(masks[column], [0]))}")
    return sheet.figure


def descriptions(
    images: Sequence[np.ndarray],
    pixel_means: Sequence[np.ndarray],
    description: Mapping[str, np.ndarray],
    boxes: np.ndarray,
) -> figure.Figure:
    """Input with boxes, reconstruction, and the latent codes of the first objects, in a column for each image.

    Args:
        images: Images, float `[height, width, channels]` in [0, 1] each; sizes may differ.
        pixel_means: Reconstructions, float, of the same shapes.
        description: Descriptions of the images from `SceneModel.encode`, with `category` and `sizes`.
        boxes: Boxes of the objects, see `reconstructions`.
    """
    sheet = PictureSheet(3, len(images), ["input", "reconstruction", "latent codes"], cell_inches=2.2)
    for column, count in enumerate(description[NUM_OBJECTS]):
        colors = _colors(description, column, count)
        sheet.show(0, column, images[column])
        _draw_boxes(sheet, column, images[column], boxes[column, :count], colors)
        sheet.title(0, column, f"n = {count}")
        sheet.show(1, column, pixel_means[column])
        for slot in range(min(count, _MOST_CODES)):
            code = {name: values[column, slot] for name, values in by_object(description).items()}
            text = "\n".join(_code_lines(code))
            sheet.write_in_cell(2, column, 0.33 * slot, text, color=colors[slot], fontsize=7, family="monospace")
        if count > _MOST_CODES:
            sheet.write_in_cell(2, column, 0.96, f"and {count - _MOST_CODES} more", fontsize=7, family="monospace")
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
    """Curves over optimisation steps: the mean of several runs, and what lies between the lowest and the highest.

    Args:
        series: Steps, `[reports]`, and values, `[runs, reports]`, of each curve, by name.
        label: Label of the vertical axis.
    """
    sheet = figure.Figure(figsize=(6, 4), layout="constrained")
    axis = sheet.subplots()
    for name, (steps, values) in series.items():
        several = f", {len(values)} runs" if len(values) > 1 else ""
        (line,) = axis.plot(steps, values.mean(axis=0), label=f"{name}{several}")
        axis.fill_between(steps, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.2, lw=0)
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
    sheet = PictureSheet(1 + len(rows), len(images), ["input", *labels], cell_inches(images))
    crowded = (np.asarray(presence) > 0.5).sum(axis=1).max(initial=0) > MOST_SPRITES
    style = {"color": "white", "ha": "center", "va": "center", "fontsize": 5 if crowded else 9}
    style["path_effects"] = [patheffects.withStroke(linewidth=1 if crowded else 2, foreground="black")]
    for column, image in enumerate(images):
        sheet.show(0, column, image)
        for number in np.flatnonzero(presence[column] > 0.5):
            sheet.write(0, column, locations[column, number], image, str(number), **style)
        for row, pictures in enumerate(rows, start=1):
            sheet.show(row, column, pictures[column])
    return sheet.figure


def image_grid(
    images: Sequence[np.ndarray],
    titles: Optional[Sequence[str]] = None,
    columns: int = 8,
    cell: float = _SMALLEST_CELL,
) -> figure.Figure:
    """Images in a grid.

    Args:
        images: Images, float `[height, width, channels]` in [0, 1] each; sizes may differ.
        titles: Titles above them; none if empty.
        columns: Most images in a row.
        cell: Side of a cell in inches.
    """
    rows = -(-len(images) // columns)
    sheet = PictureSheet(rows, min(columns, len(images)), (), cell, titles_in_all_rows=bool(titles))
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


def cell_inches(images: Sequence[np.ndarray]) -> float:
    """Side of the cells of a sheet with these images, in inches."""
    side = max((max(image.shape[:2]) for image in images), default=0)
    return float(np.clip(side / _PIXELS_PER_INCH, _SMALLEST_CELL, _LARGEST_CELL))


def most_columns(images: Sequence[np.ndarray]) -> int:
    """Number of such images that fit in a row."""
    return int(_PAGE / cell_inches(images))


def _colors(description: Mapping[str, np.ndarray], scene: int, slots: int) -> list[tuple[float, ...]]:
    """The colour of the object in each of a scene's first slots."""
    numbers = description[CATEGORY][scene] if CATEGORY in description else np.arange(slots)
    return [_BOX_COLORS[number % len(_BOX_COLORS)] for number in numbers[:slots]]


def _draw_boxes(
    sheet: PictureSheet, column: int, image: np.ndarray, boxes: np.ndarray, colors: Sequence[tuple[float, ...]]
) -> None:
    """Draws boxes over the picture in the first row."""
    for corners, color in zip(_corners(boxes, image.shape[:2]), colors):
        sheet.outline(0, column, corners, image, color)


def _draw_outlines(
    sheet: PictureSheet, row: int, column: int, masks: np.ndarray, colors: Sequence[tuple[float, ...]]
) -> None:
    """Draws the outlines of masks over a picture."""
    traced = [(line, colors[label - 1]) for label, lines in _outlines(masks) for line in lines]
    if traced:
        sheet.trace(row, column, [line for line, _ in traced], masks, [color for _, color in traced])


def _outlines(masks: np.ndarray) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Each label of a label image and the closed lines around its pixels, float `[points, 2]`, y then x in pixels."""
    for label, part in enumerate(ndimage.find_objects(masks), start=1):
        if part is not None:
            mask = np.pad(masks[part] == label, 1)
            first = np.array([each.start - 1 for each in part])
            yield label, [line + first for line in measure.find_contours(mask, 0.5)]


def _show_framed(sheet: PictureSheet, row: int, column: int, image: np.ndarray, color: tuple[float, ...]) -> None:
    sheet.show(row, column, image)
    (corners,) = _corners(np.array([[0.0, 0.0, 1.0, 1.0]]), image.shape[:2])
    # The line is wide because its outer half is clipped.
    sheet.outline(row, column, corners, image, color, width=4.0)


def _with_visible_peaks(features: np.ndarray) -> np.ndarray:
    """Location features whose peaks, single pixels, are as large as can be seen in a cell."""
    return ndimage.maximum_filter(features, size=1 + 2 * (max(features.shape) // _SMALLEST_PEAK))


def _corners(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Corners of boxes, y then x in pixels of an image of that size: `[boxes, 4]` -> `[boxes, 4, 2]`."""
    return boxes[:, [[0, 1], [0, 3], [2, 3], [2, 1]]] * size - 0.5
