"""LAVAE's inference networks: location features L and appearance features A (section 2, Appendix B)."""

from typing import Optional

import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.layers import gaussian
from tf_scenes.layers.residual import ConvUnit, ResidualTrunk, TwoScaleTrunk
from tf_scenes.models.lavae.patches import expected_patches, patches_at
from tf_scenes.models.lavae.slots import among_all, compute_in_use
from tf_scenes.stack import keras

layers = keras.layers
tfd = tfp.distributions
tfpl = tfp.layers

_LOG_VARIANCE_RANGE = (-10.0, 4.0)


class LocationNetwork(layers.Layer):
    """From an image to location features L, one value per pixel.

    A residual trunk and a convolutional network of three layers with one output channel (Appendix B).

    A departure from the paper, off by default: with `strides` 2 the trunk works at half the resolution, for a quarter
    of the cost. A subpixel convolution (four output channels, then depth to space) restores one value per pixel, but
    then all objects end up at one of the four. With `interpolated`, `TwoScaleTrunk` restores them.
    """

    def __init__(
        self,
        channels: int,
        num_blocks: int = 4,
        strides: int = 1,
        interpolated: bool = False,
        name: Optional[str] = None,
    ):
        """Creates the network.

        Args:
            channels: Number of channels of the inner layers.
            num_blocks: Number of residual blocks, each of two convolutions.
            strides: Factor by which the inner layers reduce the resolution; 1 for no reduction.
            interpolated: Whether the full resolution is restored by interpolation; of no effect without a reduction.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self._cell = 1 if interpolated else strides
        if interpolated and strides > 1:
            self._trunk = TwoScaleTrunk(channels, num_blocks, num_last_units=2, strides=strides, name="trunk")
        else:
            self._trunk = ResidualTrunk(channels, num_blocks, num_last_units=2, strides=strides, name="trunk")
        # Small initial weights, so that the map is flat at first.
        initializer = keras.initializers.VarianceScaling(0.1, "fan_avg", "uniform")
        self._head = layers.Conv2D(
            self._cell**2, 3, padding="same", kernel_initializer=initializer, dtype="float32", name="head"
        )

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Computes L: `[batch, height, width, channels]` -> float32 `[batch, height, width]`."""
        shape = tf.shape(images)
        maps = self._head(self._trunk(images, training=training))
        if self._cell > 1:
            maps = tf.nn.depth_to_space(maps, self._cell)[:, : shape[1], : shape[2]]
        return maps[..., 0]


class AppearanceNetwork(layers.Layer):
    """From an image to appearance features, and from these to the posterior of an object's appearance at its location.

    The paper's map A has 2 D channels at every pixel, but only its sums weighted by location maps are used (equation
    10). Its last layer is linear, so the layer can be applied to the weighted sums of its inputs instead: this gives
    the same values without computing the map. For this the last layer has to be a 1 x 1 convolution.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        num_blocks: int = 4,
        strides: int = 1,
        scale: float = 0.1,
        name: Optional[str] = None,
    ):
        """Creates the network.

        Args:
            latent_dim: Number of dimensions of an object's appearance, D.
            channels: Number of channels of the inner layers.
            num_blocks: Number of residual blocks, each of two convolutions.
            strides: Factor by which the inner layers reduce the resolution; 1 for no reduction. The last layer is then
                a subpixel convolution, with separate weights for each pixel of a strides x strides cell.
            scale: Scale of the last layer's initial weights, relative to Glorot initialisation; with 1 the KL would
                start at thousands of nats.
            name: Name of the layer.
        """
        super().__init__(name=name)
        self._trunk = ResidualTrunk(channels, num_blocks, strides=strides, name="trunk")
        self._channels = channels
        self._head, self._posterior = _appearance_head(latent_dim, scale)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Computes appearance features.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].
            training: Whether batch statistics are used and updated.

        Returns:
            Features, float32 `[batch, height / strides, width / strides, channels]`, with sizes rounded up.
        """
        return tf.cast(self._trunk(images, training=training), tf.float32)

    def posterior(
        self, features: tf.Tensor, locations: tf.Tensor, slots: tf.Tensor, training: bool = False
    ) -> tfd.Distribution:
        """q(z_i | l_i, x), equation 10.

        Args:
            features: Features as returned by `call`.
            locations: Exact or relaxed one-hot location maps, float32 `[batch, objects, height, width]`.
            slots: Of no effect; see `PatchAppearanceNetwork`.
            training: Of no effect; see `PatchAppearanceNetwork`.

        Returns:
            A distribution with batch shape `[batch, objects]` and event shape `[D]`.
        """
        cells = self._split_cells(locations, tf.shape(features))  # [batch, objects * strides^2, h * w]
        flat = tf.reshape(features, [tf.shape(features)[0], -1, self._channels])
        sums = tf.reshape(cells @ flat, [*tf.unstack(tf.shape(locations)[:2]), self._trunk.strides**2 * self._channels])
        return self._posterior(self._head(sums))

    def posterior_at(self, features: tf.Tensor, centers: tf.Tensor, present: tf.Tensor) -> tfd.Distribution:
        """The same at whole pixels, in memory that does not grow with their number times that of all pixels.

        Args:
            features: Features as returned by `call`.
            centers: Pixels, int32 `[batch, objects, 2]`, y then x.
            present: Of no effect; see `PatchAppearanceNetwork`.

        Returns:
            A distribution with batch shape `[batch, objects]` and event shape `[D]`.
        """
        strides = self._trunk.strides
        at_cells = tf.gather_nd(features, centers // strides, batch_dims=1)  # [batch, objects, channels]
        within = centers % strides
        place = tf.one_hot(within[..., 0] * strides + within[..., 1], strides**2)  # [batch, objects, strides^2]
        sums = place[..., None] * at_cells[..., None, :]
        return self._posterior(
            self._head(tf.reshape(sums, [*tf.unstack(tf.shape(centers)[:2]), strides**2 * self._channels]))
        )

    def _split_cells(self, locations: tf.Tensor, feature_shape: tf.Tensor) -> tf.Tensor:
        """Splits each location map into strides^2 maps of the features' size, one for each place within a cell."""
        strides = self._trunk.strides
        batch, objects, height, width = tf.unstack(tf.shape(locations))
        rows, columns = feature_shape[1], feature_shape[2]
        padding = [[0, 0], [0, 0], [0, rows * strides - height], [0, columns * strides - width]]
        cells = tf.reshape(tf.pad(locations, padding), [batch, objects, rows, strides, columns, strides])
        cells = tf.transpose(cells, [0, 1, 3, 5, 2, 4])
        return tf.reshape(cells, [batch, objects * strides**2, rows * columns])


class PatchAppearanceNetwork(layers.Layer):
    """From the patch of an image around an object's location to the posterior of the object's appearance.

    A departure from the paper, off by default. The paper's map A is a convolutional network, so its value at a pixel
    depends on the image around that pixel alone. Here the network sees what is around the location, and nothing else.
    At reduced resolution the two differ: cells of a map lie where they lie, and the same object has another appearance
    a pixel further on; a patch begins at the location, and moves with the object. It costs less, too, unless there
    are many objects. For relaxed locations the network sees the mean of patches, where the paper takes the mean of A.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        side: int,
        num_blocks: int = 4,
        strides: int = 1,
        scale: float = 0.1,
        name: Optional[str] = None,
    ):
        """Creates the network.

        Args:
            latent_dim: Number of dimensions of an object's appearance, D.
            channels: Number of channels of the inner layers.
            side: Side of a patch in pixels, a multiple of `2 * strides`.
            num_blocks: Number of residual blocks, each of two convolutions.
            strides: Factor by which the residual blocks' resolution is reduced; after them it is halved.
            scale: Scale of the last layer's initial weights, see `AppearanceNetwork`.
            name: Name of the layer.
        """
        super().__init__(name=name, autocast=False)  # Fourier transforms need float32; inner layers cast by themselves.
        self.side = side
        self._trunk = ResidualTrunk(channels, num_blocks, strides=strides, name="trunk")
        self._reduction = ConvUnit(channels, 4, 2, name="reduction")
        self._num_features = (side // (2 * strides)) ** 2 * channels
        self._head, self._posterior = _appearance_head(latent_dim, scale)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The images themselves: what is computed of them depends on the locations."""
        return images

    def posterior(
        self, images: tf.Tensor, locations: tf.Tensor, slots: tf.Tensor, training: bool = False
    ) -> tfd.Distribution:
        """q(z_i | l_i, x) of some objects; of the others it is N(0, I), which takes no time.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].
            locations: Exact or relaxed one-hot location maps, float32 `[batch, objects, height, width]`.
            slots: Image and number of each of these objects, at least one, int64 `[n, 2]`.
            training: Whether batch statistics are used and updated.

        Returns:
            A distribution with batch shape `[batch, objects]` and event shape `[D]`.
        """
        scenes = tf.cast(slots[:, 0], tf.int32)
        patches = expected_patches(images, scenes, tf.gather_nd(locations, slots), self.side)
        parameters = self._parameters(patches, training)
        return self._posterior(among_all(slots, parameters, tf.shape(locations)[:2]))

    def posterior_at(self, images: tf.Tensor, centers: tf.Tensor, present: tf.Tensor) -> tfd.Distribution:
        """The same at whole pixels, where there is an object; elsewhere it is N(0, I), which takes no time.

        Args:
            images: Images, float32 `[batch, height, width, channels]` in [0, 1].
            centers: Pixels, int32 `[batch, objects, 2]`, y then x.
            present: Whether there is an object in each slot, bool `[batch, objects]`.

        Returns:
            A distribution with batch shape `[batch, objects]` and event shape `[D]`.
        """
        slots, parameters = compute_in_use(self._parameters, present, patches_at(images, centers, self.side))
        return self._posterior(among_all(slots, parameters, tf.shape(present)))

    def posterior_of(self, patches: tf.Tensor) -> tfd.Distribution:
        """The same of patches, float32 `[n, side, side, channels]`: a distribution with batch shape `[n]`."""
        return self._posterior(self._parameters(patches))

    def _parameters(self, patches: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Of the posterior of each patch, `[patches, side, side, channels]`: float32 `[patches, 2 D]`."""
        features = self._reduction(self._trunk(patches, training=training), training=training)
        return self._head(tf.reshape(features, [-1, self._num_features]))


def _appearance_head(latent_dim: int, scale: float) -> tuple[layers.Layer, layers.Layer]:
    """A linear layer, and the distribution whose parameters are its outputs."""
    initializer = keras.initializers.VarianceScaling(scale**2, "fan_avg", "uniform")
    head = layers.Dense(2 * latent_dim, kernel_initializer=initializer, dtype="float32", name="head")
    return head, tfpl.DistributionLambda(
        _diagonal_normal, convert_to_tensor_fn=tfd.Distribution.mean, dtype="float32", name="posterior"
    )


def _diagonal_normal(parameters: tf.Tensor) -> tfd.Distribution:
    return tfd.Independent(gaussian.from_log_variance(parameters, _LOG_VARIANCE_RANGE), reinterpreted_batch_ndims=1)
