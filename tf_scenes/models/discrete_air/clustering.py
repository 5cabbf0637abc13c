"""Categories by invariant information clustering: many fine categories, then merged to as many as there should be.

An addition to the paper. A clustering with exactly as many categories as there are kinds of objects depends on its
initialisation: in nearly every run one category takes two kinds and another almost none, and gradients cannot leave
that state, since a kind would have to move as a whole. A clustering with more categories than kinds splits kinds
instead, which merging can mend: the two categories are merged between which views of one object pass most often.
"""

import math
from collections.abc import Sequence
from typing import Optional

import tensorflow as tf

from tf_scenes.models.discrete_air.invariance import ViewRange, joint_distribution, mutual_information, random_views
from tf_scenes.stack import keras

layers = keras.layers

_CHANNELS = (32, 64)
# Rate at which the joint distribution of two views' categories follows that of a batch.
_JOINT_RATE = 0.02


class CategoryClustering(layers.Layer):
    """Several clusterings side by side, of which the one that keeps most information gives the categories.

    For training alone: its batch normalisation always takes the statistics of the batch, since running means lag behind
    and views have others than glimpses. (With running means, 0.27 to 0.73 of the digits were in a category of mostly
    their own kind, with the batch's statistics 0.97 to 0.98.) The model's own network learns the categories from it.
    """

    def __init__(
        self,
        num_categories: int,
        num_fine_categories: int,
        num_heads: int,
        units: int,
        view_range: ViewRange,
        name: Optional[str] = None,
    ):
        """Creates the layer.

        Args:
            num_categories: Number of categories after merging, K.
            num_fine_categories: Number of categories of each clustering, F, at least K.
            num_heads: Number of clusterings.
            units: Number of features that all clusterings share.
            view_range: Largest transformations from a glimpse to a view.
            name: Name of the layer.
        """
        super().__init__(name=name, autocast=False)  # Views are drawn in full precision.
        self._shape = (num_heads, num_fine_categories)
        self._num_categories, self._view_range = num_categories, view_range
        self._trunk = [
            layer
            for count in _CHANNELS
            for layer in (layers.Conv2D(count, 4, 2, padding="same", use_bias=False), _normalization(), layers.ReLU())
        ]
        self._trunk += [layers.Flatten(), layers.Dense(units, use_bias=False), _normalization(), layers.ReLU()]
        self._heads = layers.Dense(num_heads * num_fine_categories, dtype="float32", name="heads")
        uniform = keras.initializers.Constant(1.0 / num_fine_categories**2)
        self._joint = self._kept("joint", [num_heads, num_fine_categories, num_fine_categories], uniform)
        # Until categories are merged, the first clustering's are taken by turns.
        turns = tf.one_hot(tf.range(num_fine_categories) % num_categories, num_categories)
        chosen = tf.concat([turns[None], tf.zeros([num_heads - 1, *turns.shape])], axis=0)
        initializer = keras.initializers.Constant(chosen.numpy())
        self._merging = self._kept("merging", [num_heads, num_fine_categories, num_categories], initializer)

    def _kept(self, name: str, shape: list[int], initializer: keras.initializers.Initializer) -> tf.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            trainable=False,
            dtype=tf.float32,
            aggregation=tf.VariableAggregation.MEAN,
            experimental_autocast=False,
        )

    def call(self, objects: tf.Tensor) -> tf.Tensor:
        """The categories of the objects of a training batch.

        Args:
            objects: Glimpses of objects, float32 `[objects, size, size, channels]`, at least one.

        Returns:
            Probability of each category, float32 `[objects, categories]`; a constant.
        """
        fine = tf.stop_gradient(tf.nn.softmax(self._logits(objects)))  # [objects, heads, F]
        return tf.einsum("ohf,hfk->ok", fine, self._merging)

    def joint(self, objects: tf.Tensor, seeds: Sequence[tf.Tensor]) -> tf.Tensor:
        """Joint distribution of the fine categories of two random views of an object, whose information is maximised.

        Args:
            objects: Glimpses of objects, float32 `[objects, size, size, channels]`, at least one.
            seeds: Two random seeds, each int32 `[2]`.

        Returns:
            Joint probabilities for each clustering, float32 `[heads, F, F]`.
        """
        views = tf.concat([random_views(objects, self._view_range, seed) for seed in seeds], axis=0)
        first, second = tf.split(tf.nn.softmax(self._logits(views)), 2)
        return joint_distribution(first, second)

    @property
    def running_joint(self) -> tf.Tensor:
        """The running mean of `joint`, float32 `[heads, F, F]`, by which categories are merged."""
        return self._joint.read_value()

    def follow(self, joint: tf.Tensor) -> None:
        """Moves the running mean towards the joint distribution of a batch."""
        self._joint.assign_add(_JOINT_RATE * (tf.stop_gradient(joint) - self._joint))

    def _logits(self, glimpses: tf.Tensor) -> tf.Tensor:
        features = glimpses
        for layer in self._trunk:
            features = layer(features, training=True) if _is_normalization(layer) else layer(features)
        return tf.reshape(self._heads(features), [-1, *self._shape])

    def candidates(self, objects: tf.Tensor) -> tf.Tensor:
        """The category that each clustering would give to objects if it were merged now, to compare clusterings.

        Args:
            objects: Glimpses of objects, float32 `[objects, size, size, channels]`.

        Returns:
            Categories, int32 `[objects, heads]`.
        """
        fine = tf.nn.softmax(self._logits(objects))
        return tf.argmax(tf.einsum("ohf,hfk->ohk", fine, self._mergings()), axis=-1, output_type=tf.int32)

    def merge(self, now: tf.Tensor) -> None:
        """Merges the fine categories of each clustering, and chooses the clustering that then has most information.

        Args:
            now: Whether to, bool `[]`; otherwise nothing changes.
        """
        # A variable that several devices share cannot be assigned inside the condition.
        self._merging.assign(tf.cond(now, self._best_merging, self._merging.read_value))

    def _best_merging(self) -> tf.Tensor:
        mergings = self._mergings()
        information = mutual_information(tf.einsum("hik,hij,hjl->hkl", mergings, self._joint, mergings))
        return tf.one_hot(tf.argmax(information), self._shape[0])[:, None, None] * mergings

    def _mergings(self) -> tf.Tensor:
        """How each clustering's fine categories would be merged now: float32 `[heads, F, K]`."""
        joints = tf.unstack(self._joint.read_value())
        return tf.stack([merge_categories(joint, self._num_categories) for joint in joints])


def merge_categories(joint: tf.Tensor, num_categories: int) -> tf.Tensor:
    """Merges categories, two at a time, so that least information between views is lost.

    Args:
        joint: Joint probabilities of two views' categories, symmetric, float32 `[fine, fine]`.
        num_categories: Number of categories to be left.

    Returns:
        1 where a category became part of a merged one, otherwise 0: float32 `[fine, num_categories]`.
    """
    fine = joint.shape[0]
    identity = tf.eye(fine)

    def merge_two(merging: tf.Tensor, left: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        merged = tf.einsum("ik,ij,jl->kl", merging, joint, merging)
        allowed = (left[:, None] & left[None, :]) & (tf.range(fine)[:, None] < tf.range(fine)[None, :])
        loss = tf.where(allowed, _lost_information(merged), math.inf)
        best = tf.argmin(tf.reshape(loss, [-1]), output_type=tf.int32)
        kept, gone = best // fine, best % fine
        move = identity + tf.one_hot(gone, fine)[:, None] * (tf.one_hot(kept, fine) - tf.one_hot(gone, fine))[None, :]
        return tf.matmul(merging, move), left & (tf.range(fine) != gone)

    merging, left = tf.while_loop(
        lambda *_: True,
        merge_two,
        (identity, tf.ones([fine], tf.bool)),
        maximum_iterations=fine - num_categories,
    )
    return tf.ensure_shape(tf.boolean_mask(merging, left, axis=1), [fine, num_categories])


def _lost_information(joint: tf.Tensor) -> tf.Tensor:
    """Mutual information lost by merging each two categories, from a joint distribution: `[n, n]` -> `[n, n]`."""
    entropy = _entropy_terms(joint)
    own = tf.linalg.diag_part(joint)
    rows = tf.reduce_sum(entropy, axis=1)
    # Of both rows outside of the two columns, before and after.
    after = tf.reduce_sum(_entropy_terms(joint[:, None, :] + joint[None, :, :]), axis=2)
    after -= _entropy_terms(own[:, None] + joint) + _entropy_terms(own[None, :] + joint)
    before = rows[:, None] + rows[None, :] - _entropy_terms(own)[:, None] - _entropy_terms(own)[None, :] - 2.0 * entropy
    block = _entropy_terms(own[:, None] + own[None, :] + 2.0 * joint)
    block -= _entropy_terms(own)[:, None] + _entropy_terms(own)[None, :] + 2.0 * entropy
    marginal = tf.reduce_sum(joint, axis=1)
    marginals = _entropy_terms(marginal[:, None] + marginal[None, :])
    marginals -= _entropy_terms(marginal)[:, None] + _entropy_terms(marginal)[None, :]
    return 2.0 * marginals - 2.0 * (after - before) - block


def _entropy_terms(probabilities: tf.Tensor) -> tf.Tensor:
    return tf.math.xlogy(probabilities, probabilities)


def _normalization() -> layers.BatchNormalization:
    # Each device takes the statistics of its own glimpses. With a momentum of 1, running means stay as they are.
    return layers.BatchNormalization(momentum=1.0)


def _is_normalization(layer: layers.Layer) -> bool:
    return isinstance(layer, layers.BatchNormalization)
