"""What an inferred appearance says of an object's true factors: label (a shape or a digit), colour, size and angle.

Probes predict each factor from the appearance; DCI (Eastwood and Williams, 2018) and MIG (Chen et al., 2018) measure
whether single variables stand for single factors. Scenes that are drawn have one object, so that a model without
objects, whose latents describe the whole scene, can be measured as well.

Where the definitions leave a choice: variables are the descriptions' most likely values, as in disentanglement_lib,
where Chen et al. draw from posteriors; trees of the forests of DCI grow to any depth, where Eastwood and Williams
choose one by cross-validation; and as angles of different shapes have nothing in common, an angle is a factor within
each label, and what is measured is averaged over objects.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Optional, Union

import numpy as np
import tensorflow as tf
from scipy.stats import entropy
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mutual_info_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tf_scenes.data.datasets import Dataset
from tf_scenes.descriptions import LOCATIONS, Description, Role, as_arrays, field, has_objects, is_present, of_role
from tf_scenes.errors import UserError
from tf_scenes.evaluation.progress_bar import with_progress

# Describes images by scenes, with tensors or with arrays.
Encode = Callable[[np.ndarray], Mapping[str, Union[tf.Tensor, np.ndarray]]]
# Probes are fitted on so many times the objects that they are measured on.
_FITTED = 4
_HIDDEN = (128,)
_TREES = 50
_BINS = 20  # As in the MIG of disentanglement_lib.
# Added to importances, as there: of a factor of which no variable says anything, all say the same.
_SMALLEST = 1e-11
# By how much of a full turn a shape must be turned to look the same again.
_SYMMETRIES = {"square": 4, "ellipse": 2, "triangle": 3}
_LABEL, _COLOR, _SIZE, _ANGLE = "label", "color", "size", "angle"


@dataclasses.dataclass(frozen=True)
class Variable:
    """One variable of appearances.

    Attributes:
        values: Its value for each object, `[objects]`: a number, an angle in radians, or the number of a category.
        circular: Whether it is an angle.
        num_categories: Number of categories; 0 unless it is one.
    """

    values: np.ndarray
    circular: bool = False
    num_categories: int = 0

    @property
    def columns(self) -> np.ndarray:
        """What probes and forests see, float32 `[objects, columns]`: an angle's direction, a 1 for the category."""
        if self.num_categories:
            return np.eye(self.num_categories, dtype=np.float32)[self.values]
        values = self.values.astype(np.float32)
        return np.stack([np.cos(values), np.sin(values)] if self.circular else [values], axis=1)

    @property
    def bins(self) -> np.ndarray:
        """Categories, or one of 20 bins of equal width: int `[objects]`."""
        if self.num_categories:
            return self.values
        return _binned(self.values % (2.0 * np.pi) if self.circular else self.values)


@dataclasses.dataclass(frozen=True)
class Objects:
    """Objects with what a model says of them, and what is true.

    Attributes:
        variables: Variables of their appearances.
        labels: Label of each object, int `[objects]`.
        classes: Factors without an order by name, int `[objects]`.
        numbers: Factors that are numbers by name, `[objects]`, or `[objects, 2]` for the direction of an angle.
    """

    variables: Sequence[Variable]
    labels: np.ndarray
    classes: Mapping[str, np.ndarray]
    numbers: Mapping[str, np.ndarray]

    @property
    def inferred(self) -> np.ndarray:
        """All variables as probes see them, float32 `[objects, columns]`."""
        return np.concatenate([variable.columns for variable in self.variables], axis=1)

    def distinct(self) -> list[Variable]:
        """The variables without those that repeat another one: a single scale may be both height and width."""
        return list({variable.values.tobytes(): variable for variable in self.variables}.values())

    def parts(self, factor: str, like: Optional["Objects"] = None) -> list[np.ndarray]:
        """Indices of the objects among which a factor is measured: of an angle, those of each label.

        Args:
            factor: Name of the factor.
            like: Objects whose labels count; None for these.
        """
        if factor != _ANGLE:
            return [np.arange(len(self.labels))]
        return [np.flatnonzero(self.labels == label) for label in np.unique((like or self).labels)]


def factors(
    encode: Encode, num_categories: int, dataset: Dataset, num_objects: int, batch_size: int, seed: int
) -> dict[str, Optional[float]]:
    """Measures what a model's appearances say of the objects of its data set.

    Args:
        encode: Infers the scenes of images, float32 in [0, 1] `[batch, height, width, channels]`: a trained model's
            `encode`, or that of one that was loaded.
        num_categories: Number of categories that the model tells apart, 0 if none.
        dataset: Data set that has `factor_splits`: scenes whose objects have a label, and perhaps a colour, a scale and
            an angle.
        num_objects: Number of objects that are measured, at most; probes are fitted on up to four times as many others.
        batch_size: Number of images that are inferred at once.
        seed: Seed of the probes.

    Returns:
        Measures by name: for label and color `<factor>_linear` and `<factor>_neural`, the accuracy of probes; for size
        and angle the same, R^2, where the angle is told within each shape, up to its symmetries; if colours are not
        only those of full or no red, green and blue, R^2 of `red`, `green` and `blue`; `dci_disentanglement`,
        `dci_completeness` and `mig`; `objects`, the number of objects that were found. Of a single factor,
        `dci_disentanglement` is None: a variable cannot be of another one.

    Raises:
        UserError: If all objects are the same, or none is found.
    """
    splits = zip(dataset.factor_splits, (_FITTED * num_objects, num_objects))
    found = [_objects(encode, num_categories, dataset, name, number, batch_size) for name, number in splits]
    fitted, measured = _of_varying_factors(*found)
    return {
        **probe(fitted, measured, seed),
        **dci(fitted, seed),
        "mig": mutual_information_gap(fitted),
        "objects": len(measured.labels),
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
    # Targets of all sizes are learnt alike.
    neural = TransformedTargetRegressor(MLPRegressor(**early), transformer=StandardScaler())
    regressors = {"linear": Ridge(), "neural": neural}
    inputs, new, scores = fitted.inferred, measured.inferred, {}
    for kind in classifiers:
        for name, true in measured.classes.items():
            predicted = _predicted(classifiers[kind], inputs, fitted.classes[name], new)
            scores[f"{name}_{kind}"] = float(accuracy_score(true, predicted))
        for name, true in measured.numbers.items():
            predicted = np.zeros_like(true)
            for ours, theirs in zip(fitted.parts(name, like=measured), measured.parts(name)):
                values = fitted.numbers[name][ours]
                predicted[theirs] = _predicted(regressors[kind], inputs[ours], values, new[theirs])
            scores[f"{name}_{kind}"] = float(r2_score(true, predicted))
    return scores


def dci(objects: Objects, seed: int) -> dict[str, Optional[float]]:
    """Disentanglement and completeness of Eastwood and Williams, by the importances of random forests.

    Args:
        objects: Objects.
        seed: Seed of the forests.

    Returns:
        `dci_disentanglement`, 1 if each variable says something of one factor only, None if there is only one factor;
        `dci_completeness`, 1 if of each factor only one variable says something.
    """
    variables = objects.distinct()
    columns = [variable.columns for variable in variables]
    first = np.cumsum([0, *(each.shape[1] for each in columns[:-1])])
    inputs = np.concatenate(columns, axis=1)
    forests = {
        **dict.fromkeys(objects.classes, RandomForestClassifier(_TREES, max_features=None, random_state=seed)),
        **dict.fromkeys(objects.numbers, RandomForestRegressor(_TREES, random_state=seed)),
    }
    importances = []
    for name, values in {**objects.classes, **objects.numbers}.items():
        parts = objects.parts(name)
        of_columns = [forests[name].fit(inputs[part], values[part]).feature_importances_ for part in parts]
        mean = np.average(of_columns, axis=0, weights=[len(part) for part in parts])
        importances.append(np.add.reduceat(mean, first))
    importances = np.stack(importances, axis=1) + _SMALLEST  # [variables, factors]
    disentangled = 1.0 - entropy(importances, axis=1) / np.log(max(len(forests), 2))
    complete = 1.0 - entropy(importances, axis=0) / np.log(max(len(variables), 2))
    mean = np.average(disentangled, weights=importances.sum(axis=1))
    return {
        "dci_disentanglement": float(mean) if len(forests) > 1 else None,
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
    bins = [variable.bins for variable in objects.distinct()]
    gaps = []
    for name, values in true.items():
        parts = objects.parts(name)
        of_parts = [_gap(values[part], [each[part] for each in bins]) for part in parts]
        gaps.append(np.average(of_parts, weights=[len(part) for part in parts]))
    return float(np.mean(gaps))


def _gap(factor: np.ndarray, variables: Sequence[np.ndarray]) -> float:
    best, *others = sorted((mutual_info_score(factor, each) for each in variables), reverse=True)
    return (best - (others[0] if others else 0.0)) / mutual_info_score(factor, factor)


def _predicted(probe: BaseEstimator, inputs: np.ndarray, targets: np.ndarray, new: np.ndarray) -> np.ndarray:
    return make_pipeline(StandardScaler(), probe).fit(inputs, targets).predict(new)


def _binned(values: np.ndarray) -> np.ndarray:
    edges = np.linspace(values.min(), values.max() + 1e-6, _BINS + 1)
    return np.digitize(values, edges)


def _of_varying_factors(*found: Objects) -> list[Objects]:
    """The same objects with those factors alone that differ between objects in all of them."""

    def varying(factors: Sequence[Mapping[str, np.ndarray]]) -> list[str]:
        return [name for name in factors[0] if all(len(np.unique(each[name], axis=0)) > 1 for each in factors)]

    classes, numbers = varying([each.classes for each in found]), varying([each.numbers for each in found])
    if not classes and not numbers:
        raise UserError("--mode=factors needs objects that differ in label, colour, size or angle: all are the same")
    return [
        dataclasses.replace(
            each,
            classes={name: each.classes[name] for name in classes},
            numbers={name: each.numbers[name] for name in numbers},
        )
        for each in found
    ]


def _objects(
    encode: Encode, num_categories: int, dataset: Dataset, split_name: str, number: int, batch_size: int
) -> Objects:
    """The objects of scenes of which all is known, as far as the model finds them."""
    # Each has an object, or else a scene would be of no use.
    known = (scene for scene in itertools.islice(dataset.known_scenes(split_name), number) if len(scene.labels))
    batches = iter(lambda: list(itertools.islice(known, batch_size)), [])
    rows, labels, attributes = [], [], []
    for scenes in with_progress(batches, f"Inferring objects of {split_name}"):
        description = as_arrays(encode(np.stack([scene.image for scene in scenes]) / np.float32(255)))
        for place, scene in enumerate(scenes):
            for index, appearance in _appearances(description, place, scene.centers):
                rows.append(appearance)
                labels.append(scene.labels[index])
                attributes.append({name: values[index] for name, values in scene.attributes.items()})
        if len(rows) >= number:
            break
    if not rows:
        raise UserError(f"--mode=factors measures objects that the model finds: it finds none in {split_name}")
    inferred, true = (
        {name: np.stack([each[name] for each in parts[:number]]) for name in parts[0]} for parts in (rows, attributes)
    )
    variables = [_variables(name, values, num_categories) for name, values in inferred.items()]
    labels = np.array(labels[:number])
    return Objects(list(itertools.chain(*variables)), labels, *_true_factors(labels, true, dataset.label_names))


def _appearances(description: Description, place: int, centers: np.ndarray) -> Iterator[tuple[int, Description]]:
    """The objects that were found, by number, and what the model says of each; of the only one, all of the scene.

    An object is found if it is the nearest to one of the model's objects that is the nearest to it.
    """
    if not has_objects(description):
        yield 0, {name: values[place] for name, values in description.items()}
        return
    slots = np.flatnonzero(is_present(description)[place])
    if not slots.size:
        return
    distances = np.linalg.norm(centers[:, None] - description[LOCATIONS][place, slots], axis=-1)  # [objects, slots]
    nearest = distances.argmin(axis=1)
    for index in np.flatnonzero(distances.argmin(axis=0)[nearest] == np.arange(len(centers))):
        slot = slots[nearest[index]]
        of_object = of_role(description, Role.APPEARANCE)
        yield int(index), {name: values[place, slot] for name, values in of_object.items()}


def _variables(name: str, values: np.ndarray, num_categories: int) -> list[Variable]:
    """The variables of a field, `[objects, ...]`."""
    kind = field(name)
    flat = values.reshape(len(values), -1).T
    return [Variable(each, kind.circular, num_categories if kind.categorical else 0) for each in flat]


def _true_factors(
    labels: np.ndarray, attributes: Mapping[str, np.ndarray], label_names: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Factors without an order, and those that are numbers."""
    classes, numbers = {_LABEL: labels.astype(np.int32)}, {}
    if "color" in attributes:
        colors = attributes["color"].astype(np.float32)  # [objects, 3]
        if np.isin(colors, (0.0, colors.max())).all():
            classes[_COLOR] = ((colors > 0.0) @ [4, 2, 1]).astype(np.int32)
        else:
            numbers.update(zip(("red", "green", "blue"), colors.T))
    if "scale" in attributes:
        numbers[_SIZE] = attributes["scale"].astype(np.float32)
    if "angle" in attributes:
        symmetries = np.array([_SYMMETRIES.get(name, 1) for name in label_names])
        turns = symmetries[labels] * attributes["angle"]
        numbers[_ANGLE] = np.stack([np.sin(turns), np.cos(turns)], axis=1).astype(np.float32)
    return classes, numbers
