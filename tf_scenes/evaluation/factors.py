"""What an inferred appearance says of an object's true factors: label (a shape or a digit), colour, size and angle.

Probes predict each factor from the appearance; DCI (Eastwood and Williams, 2018) and MIG (Chen et al., 2018) measure
whether single variables stand for single factors. Scenes have one object, so that a model without objects, whose
latents describe the whole scene, can be measured as well.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Optional, Union

import numpy as np
import tensorflow as tf
from scipy.stats import entropy
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mutual_info_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tf_scenes.data.scene_datasets import SceneDataset
from tf_scenes.descriptions import LOCATIONS, Description, Role, as_arrays, field, has_objects, is_present, of_role
from tf_scenes.evaluation.progress_bar import with_progress

# Describes images by scenes, with tensors or with arrays.
Encode = Callable[[np.ndarray], Mapping[str, Union[tf.Tensor, np.ndarray]]]
# Probes are fitted on so many times the objects that they are measured on.
_FITTED = 4
_HIDDEN = (128,)
_TREES = 50
_BINS = 20  # As in the MIG of disentanglement_lib.
# By how much of a full turn a shape must be turned to look the same again.
_SYMMETRIES = {"square": 4, "ellipse": 2, "triangle": 3}
_LABEL, _COLOR, _SIZE, _ANGLE = "label", "color", "size", "angle"


@dataclasses.dataclass(frozen=True)
class Objects:
    """Objects with what a model says of them, and what is true.

    Attributes:
        inferred: Variables of their appearances, `[objects, variables]`.
        classes: Factors without an order by name, int `[objects]`.
        numbers: Factors that are numbers by name, `[objects]`, or `[objects, 2]` for the direction of an angle.
    """

    inferred: np.ndarray
    classes: Mapping[str, np.ndarray]
    numbers: Mapping[str, np.ndarray]


def factors(
    encode: Encode, num_categories: int, dataset: SceneDataset, num_objects: int, batch_size: int, seed: int
) -> dict[str, float]:
    """Measures what a model's appearances say of the objects of its data set.

    Args:
        encode: Infers the scenes of images, float32 in [0, 1] `[batch, height, width, channels]`: a trained model's
            `encode`, or that of one that was loaded.
        num_categories: Number of categories that the model tells apart, 0 if none.
        dataset: Scenes whose sprites have a label, and perhaps a colour, a scale and an angle.
        num_objects: Number of scenes of one object, of the split `test`; probes are fitted on four times as many of the
            training scenes.
        batch_size: Number of images that are inferred at once.
        seed: Seed of the probes.

    Returns:
        Measures by name: for label and color `<factor>_linear` and `<factor>_neural`, the accuracy of probes; for size
        and angle the same, R^2, where the angle is told within each shape, up to its symmetries; `dci_disentanglement`,
        `dci_completeness` and `mig`; `objects`, the number of objects that were found.
    """
    fitted = _objects(encode, num_categories, dataset, "train", _FITTED * num_objects, batch_size)
    measured = _objects(encode, num_categories, dataset, "test", num_objects, batch_size)
    return {
        **probe(fitted, measured, seed),
        **dci(fitted, seed),
        "mig": mutual_information_gap(measured),
        "objects": len(measured.inferred),
    }


def probe(fitted: Objects, measured: Objects, seed: int) -> dict[str, float]:
    """How well linear and small neural probes predict each factor.

    Args:
        fitted: Objects that probes are fitted on.
        measured: Objects that they are measured on.
        seed: Seed of the neural ones.

    Returns:
        Accuracy of classes, R^2 of numbers: `<factor>_linear` and `<factor>_neural`.
    """
    early = {"hidden_layer_sizes": _HIDDEN, "early_stopping": True, "max_iter": 500, "random_state": seed}
    classifiers = {"linear": LogisticRegression(max_iter=1_000), "neural": MLPClassifier(**early)}
    regressors = {"linear": Ridge(), "neural": MLPRegressor(**early)}
    scores = {}
    for kind in classifiers:
        for name, true in measured.classes.items():
            predicted = _predicted(classifiers[kind], fitted.inferred, fitted.classes[name], measured.inferred)
            scores[f"{name}_{kind}"] = float(accuracy_score(true, predicted))
        for name, true in measured.numbers.items():
            predicted = np.zeros_like(true)
            # Angles of different shapes have nothing in common.
            for ours, theirs in _by_label(fitted, measured) if name == _ANGLE else [(slice(None), slice(None))]:
                predicted[theirs] = _predicted(
                    regressors[kind], fitted.inferred[ours], fitted.numbers[name][ours], measured.inferred[theirs]
                )
            scores[f"{name}_{kind}"] = float(r2_score(true, predicted))
    return scores


def dci(objects: Objects, seed: int) -> dict[str, float]:
    """Disentanglement and completeness of Eastwood and Williams, by the importances of random forests.

    Args:
        objects: Objects.
        seed: Seed of the forests.

    Returns:
        `dci_disentanglement`, 1 if each variable says something of one factor only; `dci_completeness`, 1 if of each
        factor only one variable says something.
    """
    forests = [
        RandomForestClassifier(_TREES, max_features=None, random_state=seed).fit(objects.inferred, values)
        for values in objects.classes.values()
    ]
    forests += [
        RandomForestRegressor(_TREES, random_state=seed).fit(objects.inferred, values)
        for values in objects.numbers.values()
    ]
    importances = np.stack([forest.feature_importances_ for forest in forests], axis=1)  # [variables, factors]
    variables, number = importances.shape
    by_variable = importances.sum(axis=1)
    used = by_variable > 0.0
    disentangled = 1.0 - entropy(importances[used], axis=1) / np.log(number)
    complete = 1.0 - entropy(importances, axis=0) / np.log(max(variables, 2))
    return {
        "dci_disentanglement": float(np.average(disentangled, weights=by_variable[used])),
        "dci_completeness": float(complete.mean()),
    }


def mutual_information_gap(objects: Objects) -> float:
    """MIG of Chen et al.: by how much the best variable tells more of a factor than the second best one.

    Variables and numbers are divided into 20 bins of equal width.

    Returns:
        Mean over factors of the gap, as a share of the factor's entropy.
    """
    numbers = {name: values if values.ndim == 1 else np.arctan2(*values.T) for name, values in objects.numbers.items()}
    true = {**objects.classes, **{name: _binned(values) for name, values in numbers.items()}}
    inferred = [_binned(values) for values in objects.inferred.T]
    gaps = []
    for values in true.values():
        best, *others = sorted((mutual_info_score(values, each) for each in inferred), reverse=True)
        gaps.append((best - (others[0] if others else 0.0)) / mutual_info_score(values, values))
    return float(np.mean(gaps))


def _predicted(probe: BaseEstimator, inputs: np.ndarray, targets: np.ndarray, new: np.ndarray) -> np.ndarray:
    return make_pipeline(StandardScaler(), probe).fit(inputs, targets).predict(new)


def _by_label(fitted: Objects, measured: Objects) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each label, the indices of its objects in both."""
    labels = np.unique(measured.classes[_LABEL])
    return [tuple(np.flatnonzero(each.classes[_LABEL] == label) for each in (fitted, measured)) for label in labels]


def _binned(values: np.ndarray) -> np.ndarray:
    edges = np.linspace(values.min(), values.max() + 1e-6, _BINS + 1)
    return np.digitize(values, edges)


def _objects(
    encode: Encode, num_categories: int, dataset: SceneDataset, split_name: str, number: int, batch_size: int
) -> Objects:
    """The objects of scenes of one object, as far as the model finds any."""
    split = dataclasses.replace(dataset.splits[split_name], min_objects=1, max_objects=1)
    rows, classes, numbers = [], [], []
    for first in with_progress(range(0, number, batch_size), f"Inferring objects of {split_name}"):
        scenes = [dataset.generator.scene(split, index) for index in range(first, min(first + batch_size, number))]
        images = np.stack([scene.image for scene in scenes]) / np.float32(255)
        description = as_arrays(encode(images))
        for place, scene in enumerate(scenes):
            row = _appearance(description, place, scene.centers[0], num_categories)
            if row is not None:
                rows.append(row)
                attributes = {name: values[0] for name, values in scene.attributes.items()}
                true = _true_factors(scene.labels[0], attributes, dataset)
                classes.append(true[0])
                numbers.append(true[1])
    joined = ({name: np.stack([each[name] for each in factor]) for name in factor[0]} for factor in (classes, numbers))
    return Objects(np.stack(rows), *joined)


def _appearance(description: Description, place: int, center: np.ndarray, num_categories: int) -> Optional[np.ndarray]:
    """The variables of the object that is nearest to a point, or of the whole scene; None if nothing was found."""
    if not has_objects(description):
        return np.concatenate([np.ravel(values[place]) for values in description.values()])
    present = np.flatnonzero(is_present(description)[place])
    if not present.size:
        return None
    slot = present[np.argmin(np.linalg.norm(description[LOCATIONS][place, present] - center, axis=1))]
    of_object = {name: values[place, slot] for name, values in of_role(description, Role.APPEARANCE).items()}
    return np.concatenate([_variables(name, value, num_categories) for name, value in of_object.items()])


def _variables(name: str, value: np.ndarray, num_categories: int) -> np.ndarray:
    """A field of one object as variables: an angle as its direction, a category as one of several 0s and a 1."""
    if field(name).categorical:
        return np.eye(num_categories, dtype=np.float32)[value]
    value = np.ravel(value).astype(np.float32)
    return np.concatenate([np.cos(value), np.sin(value)]) if field(name).circular else value


def _true_factors(label: int, attributes: Mapping[str, Any], dataset: SceneDataset) -> tuple[dict, dict]:
    """Factors of an object: those without an order, and numbers."""
    classes, numbers = {_LABEL: np.int32(label)}, {}
    if "color" in attributes:
        red, green, blue = (int(each > 0) for each in attributes["color"])
        classes[_COLOR] = np.int32(4 * red + 2 * green + blue)
    if "scale" in attributes:
        numbers[_SIZE] = np.float32(attributes["scale"])
    if "angle" in attributes:
        turns = _SYMMETRIES[dataset.label_names[label]] * attributes["angle"]
        numbers[_ANGLE] = np.float32([np.sin(turns), np.cos(turns)])
    return classes, numbers
