"""Affine maps between a glimpse and the canvas, and their factors: Discrete-AIR, equations 6 and 7.

Both the glimpse and the canvas have coordinates from -1 to 1 in x (to the right) and y (down), whatever their size in
pixels. T^d = T_st T_r T_k maps a point of the glimpse to its place on the canvas; T^e is its inverse.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Affine:
    """A batch of invertible affine maps of the plane, p -> linear p + offset.

    Attributes:
        linear: Matrices of the maps, float32 `[..., 2, 2]`.
        offset: Offsets of the maps, float32 `[..., 2]`, x then y.
        inverse_linear: Inverses of `linear`, float32 `[..., 2, 2]`; stored because each factor's is known in closed
            form.
    """

    linear: tf.Tensor
    offset: tf.Tensor
    inverse_linear: tf.Tensor

    def inverse(self) -> "Affine":
        """The inverse maps."""
        return Affine(self.inverse_linear, -tf.linalg.matvec(self.inverse_linear, self.offset), self.linear)

    def after(self, first: "Affine") -> "Affine":
        """The maps that apply `first` and then `self`: the matrix product `self first`."""
        return Affine(
            self.linear @ first.linear,
            tf.linalg.matvec(self.linear, first.offset) + self.offset,
            first.inverse_linear @ self.inverse_linear,
        )

    def to_pixels(self, height: tf.Tensor, width: tf.Tensor) -> "Affine":
        """The same maps with results in pixels, where 0 is the middle of the first pixel, instead of from -1 to 1.

        Args:
            height: Height of the canvas in pixels, scalar.
            width: Width of the canvas in pixels, scalar.
        """
        half = tf.cast(tf.stack([width, height]), tf.float32) / 2.0
        offset = half * self.offset + half - 0.5
        return Affine(half[:, None] * self.linear, offset, self.inverse_linear / half)

    def apply(self, points: tf.Tensor) -> tf.Tensor:
        """Applies every map to the same points.

        Args:
            points: Points, float32 `[points, 2]`, x then y.

        Returns:
            Mapped points, float32 `[..., points, 2]`.
        """
        # One matrix product for all maps: a batched product or elementwise arithmetic takes several times as long.
        maps = tf.concat([self.linear, self.offset[..., None]], axis=-1)  # [..., 2, 3]
        homogeneous = tf.concat([points, tf.ones_like(points[:, :1])], axis=-1)  # [points, 3]
        placed = tf.matmul(tf.reshape(maps, [-1, 3]), homogeneous, transpose_b=True)  # [... * 2, points]
        placed = tf.reshape(placed, tf.concat([tf.shape(maps)[:-1], [-1]], axis=0))  # [..., 2, points]
        return tf.linalg.matrix_transpose(placed)

    def matrix(self) -> tf.Tensor:
        """Homogeneous matrices, as in the paper: float32 `[..., 3, 3]`."""
        top = tf.concat([self.linear, self.offset[..., None]], axis=-1)
        bottom = tf.broadcast_to(tf.constant([[0.0, 0.0, 1.0]]), tf.concat([tf.shape(top)[:-2], [1, 3]], axis=0))
        return tf.concat([top, bottom], axis=-2)


def scale_and_translation(scale: tf.Tensor, translation: tf.Tensor) -> Affine:
    """T_st of equation 6.

    Args:
        scale: Fraction of the canvas's width and height that the glimpse covers, float32 `[..., 2]`, x then y, not 0.
        translation: Place of the glimpse's middle on the canvas, float32 `[..., 2]`, x then y.
    """
    return Affine(tf.linalg.diag(scale), translation, tf.linalg.diag(1.0 / scale))


def rotation(direction: tf.Tensor) -> Affine:
    """T_r of equation 6. As y points down, a positive angle rotates clockwise in the image.

    Args:
        direction: Cosine and sine of the angle, float32 `[..., 2]`.
    """
    cosine, sine = tf.unstack(direction, axis=-1)
    forward = _matrix([[cosine, -sine], [sine, cosine]])
    return Affine(forward, tf.zeros_like(direction), tf.linalg.matrix_transpose(forward))


def skew(factors: tf.Tensor) -> Affine:
    """T_k of equation 6; its determinant is 1.

    Args:
        factors: Skew factors k_x and k_y, float32 `[..., 2]`.
    """
    k_x, k_y = tf.unstack(factors, axis=-1)
    one = tf.ones_like(k_x)
    return Affine(
        _matrix([[one + k_x * k_y, k_x], [k_y, one]]),
        tf.zeros_like(factors),
        _matrix([[one, -k_x], [-k_y, one + k_x * k_y]]),
    )


def joint_rotation_and_skew(matrices: tf.Tensor) -> Affine:
    """T_r T_k as a single matrix: section 4.2.

    Args:
        matrices: Matrices with determinants other than 0, float32 `[..., 2, 2]`.
    """
    (a, b), (c, d) = (tf.unstack(row, axis=-1) for row in tf.unstack(matrices, axis=-2))
    adjugate = _matrix([[d, -b], [-c, a]])
    return Affine(matrices, tf.zeros_like(matrices[..., 0]), adjugate / (a * d - b * c)[..., None, None])


def _matrix(rows: Sequence[Sequence[tf.Tensor]]) -> tf.Tensor:
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)
