"""The importance-weighted lower bound of log p(x) (Burda et al., 2015), by which LAVAE's paper compares models."""

from typing import Any, Optional

import numpy as np
import tensorflow as tf

from tf_scenes.data.datasets import Dataset
from tf_scenes.errors import UserError
from tf_scenes.evaluation.evaluate import objects_beyond_prior
from tf_scenes.evaluation.progress_bar import with_progress
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.training.trainable_model import elbo

_SEED = 10_100


def importance_weighted_bound(
    model: SceneModel, images: tf.Tensor, num_samples: int, seed: tf.Tensor, max_objects: Optional[int] = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Log of 1/k sum_i p(x, z_i) / q(z_i | x) with z_i from the posterior; k = 1 estimates the ELBO.

    Latents are drawn from the exact posterior, not from its relaxation. Samples are summed up one by one, so that
    memory does not depend on k, and everything that does not depend on draws is computed only once.

    The bound rises with k to log p(x), unless latents with mass in the prior have none in the posterior: then it rises
    to the log-probability without them. LAVAE's posterior, for example, allows only one number of objects.

    Args:
        model: Model.
        images: Images as `SceneModel.prepare` returns them, float32 `[batch, height, width, channels]`.
        num_samples: Number of samples k.
        seed: Seed of the draws, int32 `[2]`.
        max_objects: Most objects, see `SceneModel.elbo_terms`.

    Returns:
        Bound of each image, and the same with k = 1 from the same first draw, float32 `[batch]`, nats.
    """
    features = model.inference_features(images)

    def log_weight(sample: tf.Tensor) -> tf.Tensor:
        sample_seed = tf.random.experimental.stateless_fold_in(seed, sample)
        return elbo(model.elbo_terms(images, sample_seed, max_objects, sampled_kl=True, features=features))

    def add(sample: tf.Tensor, log_sum: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return sample + 1, tf.reduce_logsumexp(tf.stack([log_sum, log_weight(sample)]), axis=0)

    first = log_weight(tf.constant(0))
    _, log_sum = tf.while_loop(
        lambda sample, _: sample < num_samples, add, (tf.constant(1), first), parallel_iterations=1
    )
    return log_sum - tf.math.log(tf.cast(num_samples, tf.float32)), first


def likelihood(
    model: SceneModel, dataset: Dataset, split_name: str, num_images: int, num_samples: int, batch_size: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The importance-weighted bound on a held-out split.

    Args:
        model: Trained model.
        dataset: Data set.
        split_name: Name of the split.
        num_images: Number of images, taken from the start of the split.
        num_samples: Number of samples k.
        batch_size: Number of images in a batch. It affects speed, memory and which random draws are made.

    Returns:
        Two dictionaries. The first has `bound` and `elbo` (the bound with k = 1 from the same first draws), means over
        images in nats, each with its `_standard_error`, and the numbers of `images` and `samples`. The second has
        `bound` and `elbo` of every image, float64 `[images]`, for paired comparisons with other models.

    Raises:
        UserError: If the model has no density of such images.
    """
    _require_density(model, dataset, split_name, num_images, batch_size)
    max_objects = objects_beyond_prior(model, dataset, split_name)

    @tf.function(reduce_retracing=True, autograph=False)
    def both(images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return importance_weighted_bound(model, images, num_samples, seed, max_objects)

    parts = []
    batches = dataset.elbo_batches(split_name, batch_size, limit=num_images)
    for number, batch in enumerate(with_progress(batches, f"Likelihood of {split_name}")):
        parts.append(np.stack(both(model.prepare(batch), tf.constant([_SEED, number]))))
    bounds, elbos = np.concatenate(parts, axis=1).astype(np.float64)
    means = {"images": len(bounds), "samples": num_samples, **_mean("bound", bounds), **_mean("elbo", elbos)}
    return means, {"bound": bounds, "elbo": elbos}


def _require_density(model: SceneModel, dataset: Dataset, split_name: str, num_images: int, batch_size: int) -> None:
    batches = dataset.elbo_batches(split_name, batch_size, limit=num_images)
    binary = all(np.isin(batch["images"], (0.0, 1.0)).all() for batch in batches)
    reason = model.why_not_a_density(binary)
    if reason:
        raise UserError(f"--mode=likelihood would not measure log p(x) of these images: {reason}")


def _mean(name: str, values: np.ndarray) -> dict[str, float]:
    return {
        name: float(values.mean()),
        f"{name}_standard_error": float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan"),
    }
