"""Affine maps between a glimpse and the canvas, factorised: Discrete-AIR, equations 6 and 7.

Both the glimpse and the canvas have coordinates from -1 to 1 in x (to the right) and y (down), whatever their size in
pixels. T^d = T_st T_r T_k takes a point of the glimpse to its place on the canvas; T^e is its inverse.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Affine:
    """A batch of invertible affine maps of the plane, p -> linear p + offset, each with its inverse in closed form.

    Attributes:
        linear: float32 `[..., 2, 2]`.
        offset: float32 `[..., 2]`, x then y.
        inverse_linear: float32 `[..., 2, 2]`.
    """

    linear: tf.Tensor
    offset: tf.Tensor
    inverse_linear: tf.Tensor

    def inverse(self) -> "Affine":
        """The inverse maps."""
        return Affine(self.inverse_linear, -tf.linalg.matvec(self.inverse_linear, self.offset), self.linear)

    def after(self, first: "Affine") -> "Affine":
        """The maps that do `first` and then these: the matrix product `self first`."""
        return Affine(
            self.linear @ first.linear,
            tf.linalg.matvec(self.linear, first.offset) + self.offset,
            first.inverse_linear @ self.inverse_linear,
        )

    def to_pixels(self, height: tf.Tensor, width: tf.Tensor) -> "Affine":
        """The maps followed by the one from coordinates to pixels, of which the first one's middle is 0.

        Args:
            height: of the canvas, pixels, scalar.
            width: of the canvas, pixels, scalar.
        """
        half = tf.cast(tf.stack([width, height]), tf.float32) / 2.0
        offset = half * self.offset + half - 0.5
        return Affine(half[:, None] * self.linear, offset, self.inverse_linear / half)

    def apply(self, points: tf.Tensor) -> tf.Tensor:
        """Maps points.

        Args:
            points: float32 `[points, 2]`, the same ones for every map, x then y.

        Returns:
            float32 `[..., points, 2]`.
        """
        # All maps in one product of matrices: one for each map, or none at all, takes several times as long.
        maps = tf.concat([self.linear, self.offset[..., None]], axis=-1)  # [..., 2, 3]
        homogeneous = tf.concat([points, tf.ones_like(points[:, :1])], axis=-1)  # [points, 3]
        placed = tf.matmul(tf.reshape(maps, [-1, 3]), homogeneous, transpose_b=True)  # [... * 2, points]
        placed = tf.reshape(placed, tf.concat([tf.shape(maps)[:-1], [-1]], axis=0))  # [..., 2, points]
        return tf.linalg.matrix_transpose(placed)

    def matrix(self) -> tf.Tensor:
        """Homogeneous matrices as the paper writes them: float32 `[..., 3, 3]`."""
        top = tf.concat([self.linear, self.offset[..., None]], axis=-1)
        bottom = tf.broadcast_to(tf.constant([[0.0, 0.0, 1.0]]), tf.concat([tf.shape(top)[:-2], [1, 3]], axis=0))
        return tf.concat([top, bottom], axis=-2)


def scale_and_translation(scale: tf.Tensor, translation: tf.Tensor) -> Affine:
    """T_st of equation 6.

    Args:
        scale: float32 `[..., 2]`, x then y, not 0: share of the canvas's width and height that the glimpse covers.
        translation: float32 `[..., 2]`, x then y: where the glimpse's middle goes.
    """
    return Affine(tf.linalg.diag(scale), translation, tf.linalg.diag(1.0 / scale))


def rotation(direction: tf.Tensor) -> Affine:
    """T_r of equation 6; with y downwards, a positive angle turns clockwise as seen.

    Args:
        direction: float32 `[..., 2]`, cosine and sine of the angle.
    """
    cosine, sine = tf.unstack(direction, axis=-1)
    forward = _matrix([[cosine, -sine], [sine, cosine]])
    return Affine(forward, tf.zeros_like(direction), tf.linalg.matrix_transpose(forward))


def skew(factors: tf.Tensor) -> Affine:
    """T_k of equation 6; its determinant is 1.

    Args:
        factors: float32 `[..., 2]`, k_x and k_y.
    """
    k_x, k_y = tf.unstack(factors, axis=-1)
    one = tf.ones_like(k_x)
    return Affine(
        _matrix([[one + k_x * k_y, k_x], [k_y, one]]),
        tf.zeros_like(factors),
        _matrix([[one, -k_x], [-k_y, one + k_x * k_y]]),
    )


def joint_rotation_and_skew(matrices: tf.Tensor) -> Affine:
    """T_r and T_k as one free matrix: section 4.2.

    Args:
        matrices: float32 `[..., 2, 2]` with determinants that are not 0.
    """
    (a, b), (c, d) = (tf.unstack(row, axis=-1) for row in tf.unstack(matrices, axis=-2))
    adjugate = _matrix([[d, -b], [-c, a]])
    return Affine(matrices, tf.zeros_like(matrices[..., 0]), adjugate / (a * d - b * c)[..., None, None])


def _matrix(rows: Sequence[Sequence[tf.Tensor]]) -> tf.Tensor:
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)
