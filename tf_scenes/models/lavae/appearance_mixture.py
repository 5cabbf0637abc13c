"""A mixture of Gaussians that is fitted to the appearances of objects, so that what is drawn from it looks like one."""

from typing import Optional

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.stack import keras

tfd = tfp.distributions
layers = keras.layers

# Drawn from the posterior of each object, so that the mixture covers posteriors and not only their means.
_DRAWS = 5
# Added to the variances, and the most steps of expectation maximisation.
_SMALLEST_VARIANCE, _MOST_STEPS = 1e-3, 60
# Of a component that is not in use: its probability is exactly 0 in float32.
_UNUSED_LOGIT = -1e9


class AppearanceMixture(layers.Layer):
    """A distribution of appearances: the prior, N(0, I), until it is fitted.

    Not in the paper, which draws appearances from the prior. Posteriors of different shapes and colours leave gaps
    between them, which the prior covers as well: what is drawn there is no shape that was ever seen. The aggregated
    posterior, the mean of the posteriors of all objects, has no mass there, and a mixture of Gaussians comes near it.
    """

    def __init__(self, num_components: int, latent_dim: int, name: Optional[str] = None):
        """Creates the layer.

        Args:
            num_components: Number of Gaussians.
            latent_dim: Number of dimensions of an appearance, D.
            name: Name of the layer.
        """
        super().__init__(name=name, dtype="float32")
        identities = tfp.math.fill_triangular_inverse(tf.eye(latent_dim, batch_shape=[num_components]))
        shapes = {
            "logits": ([num_components], "zeros"),
            "means": ([num_components, latent_dim], "zeros"),
            # The lower triangles of the covariances' Cholesky factors, in a row each.
            "scales": (identities.shape, keras.initializers.Constant(identities.numpy())),
        }
        self._logits, self._means, self._scales = (
            self.add_weight(
                name=name, shape=shape, initializer=initializer, trainable=False, experimental_autocast=False
            )
            for name, (shape, initializer) in shapes.items()
        )

    def distribution(self) -> tfd.Distribution:
        """The distribution, with event shape `[D]`."""
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=self._logits),
            tfd.MultivariateNormalTriL(self._means, tfp.math.fill_triangular(self._scales)),
        )

    def fit(self, means: np.ndarray, stddevs: np.ndarray, seed: int) -> None:
        """Fits the mixture to the aggregated posterior of objects.

        Args:
            means: Means of their posteriors, float32 `[objects, D]`.
            stddevs: Standard deviations of their posteriors, float32 `[objects, D]`.
            seed: Seed of the draws from the posteriors and of the first step.
        """
        from sklearn.mixture import GaussianMixture  # Slow to import, and only needed here.

        noise = np.random.default_rng(seed).normal(size=(_DRAWS, *means.shape))
        samples = (means + stddevs * noise).reshape(-1, means.shape[-1])
        components = min(len(means), self._logits.shape[0])
        fitted = GaussianMixture(components, reg_covar=_SMALLEST_VARIANCE, max_iter=_MOST_STEPS, random_state=seed)
        fitted.fit(samples)
        unused = self._logits.shape[0] - components
        self._logits.assign(np.pad(np.log(fitted.weights_), (0, unused), constant_values=_UNUSED_LOGIT))
        self._means.assign(np.pad(fitted.means_, ((0, unused), (0, 0))))
        scales = np.linalg.cholesky(fitted.covariances_)
        scales = np.concatenate([scales, np.tile(np.eye(means.shape[-1]), (unused, 1, 1))])
        self._scales.assign(tfp.math.fill_triangular_inverse(scales.astype(np.float32)))
