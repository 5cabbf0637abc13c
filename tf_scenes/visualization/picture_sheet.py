"""Rows and columns of pictures with outlines and text on them, drawn with matplotlib."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import collections, figure, patches

# In inches.
_GAP = 0.08
_TITLE = 0.2
_LETTER = 0.07  # Upper bound of the mean width of a letter of a label.


class PictureSheet:
    """A grid of square cells, all on the same axes: separate axes for each picture, as usual, take many times as long.

    Attributes:
        figure: Figure of the sheet.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        labels: Sequence[str] = (),
        cell_inches: float = 1.3,
        titles_in_all_rows: bool = False,
    ):
        """Creates an empty sheet.

        Args:
            rows: Number of rows of cells.
            columns: Number of columns of cells.
            labels: Labels to the left of the rows; there may be fewer than rows.
            cell_inches: Side of a cell in inches.
            titles_in_all_rows: Whether to leave room for titles above every row rather than only above the first.
        """
        # On the axes a cell has a side of 1.
        gap, title, letter = _GAP / cell_inches, _TITLE / cell_inches, _LETTER / cell_inches
        self._row_pitch = 1.0 + gap + title * titles_in_all_rows
        self._column_pitch = 1.0 + gap
        letters = max((len(line) for label in labels for line in label.split("\n")), default=0)
        margin = gap + letters * letter
        width, height = margin + columns * self._column_pitch, title + rows * self._row_pitch
        self.figure = figure.Figure(figsize=(cell_inches * width, cell_inches * height))
        self._axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0), frameon=False, xticks=[], yticks=[])
        self._axes.set(xlim=(-margin, width - margin), ylim=(height - title, -title))
        self._axes.autoscale(False)
        for row, label in enumerate(labels):
            self._axes.text(-gap, row * self._row_pitch + 0.5, label, ha="right", va="center", fontsize=8)

    def show(self, row: int, column: int, image: np.ndarray, **options: Any) -> None:
        """Draws a picture into a cell, as large as its aspect ratio allows.

        Args:
            row: Row of the cell.
            column: Column of the cell.
            image: Picture, float `[height, width, channels]` in [0, 1], or `[height, width]` if `options` has a `cmap`.
            **options: Options of matplotlib's `imshow`.
        """
        if image.ndim == 3:
            # As bytes, which take an eighth of the memory: large pictures are drawn many times.
            pixels = np.round(255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8)
            image = np.repeat(pixels, 3, axis=-1) if image.shape[-1] == 1 else pixels
        (left, top), (right, bottom) = self._points(row, column, np.array([[0, 0], image.shape[:2]]) - 0.5, image)
        self._axes.imshow(image, extent=(left, right, bottom, top), **{"vmin": 0.0, "vmax": 1.0, **options})

    def outline(
        self,
        row: int,
        column: int,
        corners: np.ndarray,
        image: np.ndarray,
        color: tuple[float, ...],
        width: float = 1.0,
    ) -> None:
        """Draws a polygon over the picture of a cell.

        Args:
            row: Row of the cell.
            column: Column of the cell.
            corners: Corners of the polygon, float `[corners, 2]`, y then x in pixels of the picture.
            image: Picture in the cell, `[height, width, ...]`.
            color: Colour of the line.
            width: Width of the line in points.
        """
        points = self._points(row, column, corners, image)
        outline = patches.Polygon(points, fill=False, edgecolor=color, linewidth=width)
        self._axes.add_patch(outline)
        cell = patches.Rectangle(self._corner(row, column), 1.0, 1.0, transform=self._axes.transData)
        outline.set_clip_path(cell)

    def trace(
        self,
        row: int,
        column: int,
        outlines: Sequence[np.ndarray],
        image: np.ndarray,
        colors: Sequence[tuple[float, ...]],
        width: float = 1.0,
    ) -> None:
        """Draws many closed lines over the picture of a cell.

        Args:
            row: Row of the cell.
            column: Column of the cell.
            outlines: Points of each line, float `[points, 2]`, y then x in pixels of the picture.
            image: Picture in the cell, `[height, width, ...]`.
            colors: Colour of each line.
            width: Width of the lines in points.
        """
        points = [self._points(row, column, outline, image) for outline in outlines]
        # One artist for all of them: there may be hundreds.
        self._axes.add_collection(collections.LineCollection(points, colors=colors, linewidths=width), autolim=False)

    def write(self, row: int, column: int, point: np.ndarray, image: np.ndarray, text: str, **options: Any) -> None:
        """Writes text over the picture of a cell, at a point given as y then x in pixels of the picture."""
        ((x, y),) = self._points(row, column, np.array([point]), image)
        self._axes.text(x, y, text, **options)

    def write_in_cell(self, row: int, column: int, down: float, text: str, **options: Any) -> None:
        """Writes text at the left edge of a cell, `down` times the side of a cell below its top."""
        left, top = self._corner(row, column)
        self._axes.text(left, top + down, text, va="top", **options)

    def title(self, row: int, column: int, text: str) -> None:
        """Writes a title above a cell."""
        left, top = self._corner(row, column)
        self._axes.text(left + 0.5, top - 0.25 * (self._column_pitch - 1.0), text, ha="center", va="bottom", fontsize=8)

    def _corner(self, row: int, column: int) -> tuple[float, float]:
        """Left and top edge of a cell on the axes."""
        return column * self._column_pitch, row * self._row_pitch

    def _points(self, row: int, column: int, points: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Converts points from pixels of a cell's picture, y then x, to the axes, x then y: `[points, 2]`."""
        # Pixel coordinates are 0 at the middle of the first pixel, half a pixel from the edge.
        return np.array(self._corner(row, column)) + (np.asarray(points)[:, ::-1] + 0.5) / max(image.shape[:2])
