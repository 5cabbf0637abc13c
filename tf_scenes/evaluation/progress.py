"""What is measured on held-out scenes in the course of training, beside the ELBO: counts and categories."""

import dataclasses
from typing import Optional

import numpy as np
import tensorflow as tf

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import CATEGORY, NUM_OBJECTS, is_present
from tf_scenes.evaluation import metrics
from tf_scenes.models.scene_model import SceneModel


@dataclasses.dataclass(frozen=True)
class Progress:
    """Measures the first scenes of each of `Dataset.report_splits`; a call measures the model in its current state.

    Attributes:
        model: Model in training.
        dataset: Data set whose images are whole, not crops of larger ones.
        batch_size: Number of images in a batch.
        limit: Most scenes of each split.
    """

    model: SceneModel
    dataset: Dataset
    batch_size: int
    limit: int

    def __call__(self) -> dict[str, float]:
        """Measures the model.

        Returns:
            For the first split: `count_missed` and `count_extra`, the shares of images with fewer and with more objects
            inferred than there are; `correspondence`, and `correspondence_candidate_<number>` for each of
            `SceneModel.candidate_categories`. The same for other splits, with `count_accuracy`, where names begin with
            the split's. What the model or the data set lacks is left out.
        """
        first, *others = self.dataset.report_splits
        measures = self._measures(first)
        measures.pop("count_accuracy", None)  # The model reports it itself.
        for split in others:
            measures.update({f"{split}_{name}": value for name, value in self._measures(split).items()})
        return measures

    def _measures(self, split: str) -> dict[str, float]:
        if not self.model.finds_objects or "counts" not in self.dataset.ground_truth:
            return {}
        batches = list(self.dataset.evaluation_batches(split, self.batch_size, self.limit))
        inferred = [self._infer(batch["images"]) for batch in batches]
        counts = (np.concatenate([batch["counts"].numpy() for batch in batches]), _joined(inferred, NUM_OBJECTS))
        counting = metrics.counting(*counts)
        measures = {name: counting[name] for name in ("count_accuracy", "count_missed", "count_extra")}
        if CATEGORY in inferred[0] and "labels" in self.dataset.ground_truth:
            labels = np.concatenate([batch["labels"].numpy() for batch in batches])
            measures["correspondence"] = metrics.correspondence_rate(labels, _joined(inferred, CATEGORY))[0]
            if "candidates" in inferred[0]:
                candidates = _joined(inferred, "candidates")  # [images, slots, candidates]
                for number in range(candidates.shape[-1]):
                    rate, _ = metrics.correspondence_rate(labels, candidates[..., number])
                    measures[f"correspondence_candidate_{number}"] = rate
        return measures

    @tf.function(reduce_retracing=True, autograph=False)
    def _infer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        description = self.model.encode(images)
        inferred = {NUM_OBJECTS: description[NUM_OBJECTS]}
        if CATEGORY in description:
            inferred[CATEGORY] = tf.where(is_present(description), description[CATEGORY], -1)
        candidates: Optional[tf.Tensor] = self.model.candidate_categories(images)
        return inferred if candidates is None else {**inferred, "candidates": candidates}


def _joined(parts: list[dict[str, tf.Tensor]], name: str) -> np.ndarray:
    return np.concatenate([part[name].numpy() for part in parts])
