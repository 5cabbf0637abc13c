"""Pictures of what a model sees and draws, with matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Optional

import matplotlib
import numpy as np
from matplotlib import axes, figure, patches, patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg

_CELL_INCHES = 1.3
_MOST_SPRITE_ROWS = 12
_BOX_COLORS = matplotlib.colormaps["tab10"].colors


def reconstructions(
    images: np.ndarray,
    pixel_means: np.ndarray,
    description: Mapping[str, np.ndarray],
    sprites: np.ndarray,
    features: Optional[np.ndarray] = None,
    outlines: Optional[np.ndarray] = None,
) -> figure.Figure:
    """Rows of pictures, a column for each image.

    From the top: the input with a box where each inferred object is, the reconstruction, the location features where
    there are any, and, unless there are too many for a page, the sprite of each object. Colours are those of the
    objects' categories, or else of their order.

    Args:
        images: float `[images, height, width, channels]` in [0, 1].
        pixel_means: float, the same shape.
        description: `num_objects`, `locations` and, where there are any, `category`, as `SceneModel.encode` gives
            them.
        sprites: float `[images, objects, h, w, channels]` in [0, 1].
        features: float `[images, height, width]`.
        outlines: float `[images, objects, 4, 2]`, the corners of oriented boxes, pixels, y then x; upright boxes of the
            sprites' size by default.
    """
    if outlines is None:
        outlines = _upright_boxes(description["locations"], sprites.shape[2:4])
    order = np.broadcast_to(np.arange(sprites.shape[1]), sprites.shape[:2])
    colors = description.get("category", order) % len(_BOX_COLORS)
    counts = description["num_objects"]
    first_sprite_row = 2 + (features is not None)
    num_sprite_rows = max(1, int(counts.max())) if counts.max() <= _MOST_SPRITE_ROWS else 0
    num_rows = first_sprite_row + num_sprite_rows
    sheet, cells = _sheet(num_rows, len(images))
    for column in range(len(images)):
        _show(cells[0, column], images[column])
        _draw_boxes(cells[0, column], outlines[column, : counts[column]], colors[column])
        cells[0, column].set_title(f"n = {counts[column]}", fontsize=8)
        _show(cells[1, column], pixel_means[column])
        if features is not None:
            cells[2, column].imshow(features[column], cmap="magma", vmin=0.0, vmax=max(1.0, features.max()))
        for i in range(min(counts[column], num_sprite_rows)):
            _show(cells[first_sprite_row + i, column], sprites[column, i])
            _frame(cells[first_sprite_row + i, column], _BOX_COLORS[colors[column, i]])
    labels = ["input", "reconstruction", "location\nfeatures"][:first_sprite_row]
    for row, label in enumerate([*labels, *(["sprites"] if num_sprite_rows else [])]):
        cells[row, 0].text(-0.08, 0.5, label, transform=cells[row, 0].transAxes, ha="right", va="center", fontsize=8)
    return sheet


def descriptions(
    images: np.ndarray, pixel_means: np.ndarray, description: Mapping[str, np.ndarray], outlines: np.ndarray
) -> figure.Figure:
    """A column for each image: input with boxes, reconstruction, and the latent code of each object in words.

    Args:
        images: float `[images, height, width, channels]` in [0, 1].
        pixel_means: float, the same shape.
        description: as `SceneModel.encode` gives it, with `category`.
        outlines: float `[images, objects, 4, 2]`, see `reconstructions`.
    """
    counts = description["num_objects"]
    sheet = figure.Figure(figsize=(2.2 * len(images) + 0.4, 6.4), layout="constrained")
    cells = sheet.subplots(3, len(images), squeeze=False)
    for axis in cells.flat:
        axis.axis("off")
    for column, count in enumerate(counts):
        _show(cells[0, column], images[column])
        colors = description["category"][column] % len(_BOX_COLORS)
        _draw_boxes(cells[0, column], outlines[column, :count], colors)
        cells[0, column].set_title(f"n = {count}", fontsize=9)
        _show(cells[1, column], pixel_means[column])
        for slot in range(count):
            code = {name: values[column, slot] for name, values in description.items() if name != "num_objects"}
            cells[2, column].text(
                0.02,
                1.0 - 0.33 * slot,
                "\n".join(_code_lines(code)),
                color=_BOX_COLORS[colors[slot]],
                fontsize=7,
                family="monospace",
                va="top",
                transform=cells[2, column].transAxes,
            )
    return sheet


def _code_lines(code: Mapping[str, np.ndarray]) -> list[str]:
    """An object's latent code in words."""
    (y, x), (height, width) = code["locations"], code["sizes"]
    lines = [f"category {code['category']}", f"x {x:5.1f}  y {y:5.1f}", f"size {width:.1f} x {height:.1f}"]
    if "angles" in code:
        lines.append(f"angle {np.degrees(code['angles']) % 360:.0f} deg")
    for name in ("deformations", "attributes"):
        if name in code:
            lines.append(f"{name[:-1]} " + " ".join(f"{value:+.2f}" for value in code[name]))
    return lines


def curves(series: Mapping[str, tuple[np.ndarray, np.ndarray]], label: str) -> figure.Figure:
    """Lines over optimisation steps.

    Args:
        series: for each line's name its steps and values.
        label: of the vertical axis.
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
    """A column for each image: the input with a number on each inferred object, then rows of pictures.

    Args:
        images: float `[images, height, width, channels]` in [0, 1].
        locations: float `[images, objects, 2]`, pixels, y then x.
        presence: `[images, objects]`, 0 or 1.
        rows: float `[rows, images, height, width, channels]` in [0, 1].
        labels: of the rows.
    """
    sheet, cells = _sheet(1 + len(rows), len(images))
    for column, image in enumerate(images):
        _show(cells[0, column], image)
        for number in np.flatnonzero(presence[column] > 0.5):
            y, x = locations[column, number]
            label = cells[0, column].text(x, y, str(number), color="white", ha="center", va="center", fontsize=9)
            label.set_path_effects([patheffects.withStroke(linewidth=2, foreground="black")])
        for row, pictures in enumerate(rows, start=1):
            _show(cells[row, column], pictures[column])
    for row, label in enumerate(["input", *labels]):
        cells[row, 0].text(-0.08, 0.5, label, transform=cells[row, 0].transAxes, ha="right", va="center", fontsize=8)
    return sheet


def image_grid(images: np.ndarray, titles: Optional[Sequence[str]] = None, columns: int = 8) -> figure.Figure:
    """Images side by side: float `[images, height, width, channels]` in [0, 1]."""
    rows = -(-len(images) // columns)
    sheet, cells = _sheet(rows, min(columns, len(images)))
    for number, image in enumerate(images):
        axis = cells[number // columns, number % columns]
        _show(axis, image)
        if titles:
            axis.set_title(titles[number], fontsize=8)
    return sheet


def save(sheet: figure.Figure, path: str) -> None:
    """Writes a figure as PNG."""
    sheet.savefig(path, dpi=120)


def as_image(sheet: figure.Figure) -> np.ndarray:
    """A figure's pixels, for TensorBoard: uint8 `[1, height, width, 4]`."""
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[None]


def _sheet(rows: int, columns: int) -> tuple[figure.Figure, np.ndarray]:
    sheet = figure.Figure(figsize=(_CELL_INCHES * columns + 0.8, _CELL_INCHES * rows), layout="constrained")
    cells = sheet.subplots(rows, columns, squeeze=False)
    for axis in cells.flat:
        axis.axis("off")
    return sheet, cells


def _show(axis: axes.Axes, image: np.ndarray) -> None:
    axis.imshow(np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image, vmin=0.0, vmax=1.0)


def _frame(axis: axes.Axes, color: tuple[float, ...]) -> None:
    axis.add_patch(patches.Rectangle((0, 0), 1, 1, fill=False, edgecolor=color, linewidth=2, transform=axis.transAxes))


def _upright_boxes(locations: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Corners of boxes of one size around locations: `[..., 2]` -> `[..., 4, 2]`."""
    return locations[..., None, :] + np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * np.array(size) / 2.0


def _draw_boxes(axis: axes.Axes, outlines: np.ndarray, colors: np.ndarray) -> None:
    for corners, color in zip(outlines, colors):
        axis.add_patch(patches.Polygon(corners[:, ::-1], fill=False, edgecolor=_BOX_COLORS[color], linewidth=1.0))
