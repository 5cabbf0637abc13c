"""Options of Discrete-AIR."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tf_scenes.errors import UserError
from tf_scenes.models.air import options as air
from tf_scenes.options import Options, option

# How a template and attributes may be combined.
COMBINATIONS = ("additive", "multiplicative", "convolutional")


@dataclasses.dataclass(frozen=True)
class DiscreteAirOptions(Options, section="discrete_air"):
    """Options of Discrete-AIR: section 3 of its paper."""

    num_categories: int = option(
        3, "Number of categories of objects. Paper: 3 (Multi-Sprites), 10 (Multi-MNIST).", lower=2, upper=10_000
    )
    num_attributes: int = option(
        0,
        "Number of dimensions of an object's attributes. Paper: 0 (Multi-Sprites), 1 (Multi-MNIST).",
        lower=0,
        upper=1_000,
    )
    attributes_by_category: bool = option(
        False,
        "Whether attributes change the objects of each category in a way of its own: the network f_a, which makes of "
        "attributes what is combined with the category's template, also takes the category. Paper: false.",
    )
    normalize_attributes: bool = option(
        False,
        "Whether the means of attributes' posteriors are shifted and scaled to mean 0 and variance 1 over the objects "
        "of each category, so that no category has values of its own. Paper: false.",
    )
    combination: str = option(
        "additive",
        "How a category's template and what f_a makes of an object's attributes are combined. Paper: additive.",
        choices=COMBINATIONS,
    )
    pose: str = option(
        "rotation",
        "Transformation of objects other than scale and translation; joint is one matrix for rotation and skew. Paper: "
        "rotation (Multi-Sprites), joint (Multi-MNIST).",
        choices=("none", "rotation", "rotation_and_skew", "joint"),
    )
    pose_from: str = option(
        "glimpse",
        "What rotation and skew are inferred from: glimpse, after the category; or attention, by the LSTM, before the "
        "glimpse, which is then read through the inverse of the whole transformation (equation 7). Paper: attention.",
        choices=("glimpse", "attention"),
    )
    decoder_learning_rate_factor: float = option(
        1.0, "Learning rate of the object decoder as a multiple of --learning_rate. Paper: 1.", lower=1e-6
    )
    num_rotations: int = option(
        36,
        "Number of equally spaced angles by which template matching turns templates, see "
        "--discrete_air.matching_weight.",
        lower=1,
        upper=3_600,
    )
    temperature: float = option(
        1.0,
        "Gumbel-softmax temperature of categories at the first step; lower for samples closer to a single category.",
        lower=1e-3,
    )
    temperature_final: float = option(
        0.3,
        "Gumbel-softmax temperature of categories after --discrete_air.temperature_steps steps.",
        lower=1e-3,
    )
    temperature_steps: int = option(
        4_000,
        "Number of steps over which the Gumbel-softmax temperature of categories falls exponentially, from "
        "--discrete_air.temperature to --discrete_air.temperature_final.",
        lower=0,
    )
    matching_weight: float = option(
        0.0,
        "Weight of the template matching loss, which compares a glimpse with all categories' templates at all angles, "
        "and teaches which category and angle match best; 0 for none. Paper: 0.",
        lower=0.0,
    )
    matching_noise: float = option(
        6.0,
        "Standard deviation of pixels in template matching (--discrete_air.matching_weight) at the first step; large, "
        "so that all templates match about equally.",
        lower=0.01,
    )
    matching_noise_final: float = option(
        1.0,
        "Standard deviation of pixels in template matching (--discrete_air.matching_weight) once it has fallen; "
        "small, so that the best match wins.",
        lower=0.01,
    )
    matching_first_step: int = option(
        1_000,
        "Step at which --discrete_air.matching_noise begins to fall to --discrete_air.matching_noise_final.",
        lower=0,
    )
    matching_steps: int = option(
        1_500,
        "Number of steps over which --discrete_air.matching_noise falls exponentially to "
        "--discrete_air.matching_noise_final.",
        lower=1,
    )
    invariance_weight: float = option(
        0.0,
        "Weight of invariant information clustering, which learns categories that stay the same when an object is "
        "moved, turned or drawn with other strokes; 0 for none. Paper: 0.",
        lower=0.0,
    )
    invariance_heads: int = option(
        1,
        "Number of clusterings that invariant information clustering (--discrete_air.invariance_weight) learns in "
        "parallel; the best one gives the categories.",
        lower=1,
        upper=100,
    )
    num_fine_categories: int = option(
        0,
        "Number of categories that each clustering of --discrete_air.invariance_weight learns, which are merged to "
        "--discrete_air.num_categories at step --discrete_air.merging_step; 0 for --discrete_air.num_categories from "
        "the start.",
        lower=0,
        upper=10_000,
    )
    merging_step: int = option(
        2_000,
        "Step at which the clusterings of --discrete_air.invariance_weight stop learning, their fine categories are "
        "merged and the best clustering is chosen.",
        lower=1,
    )
    invariance_first_step: int = option(1_000, "Step at which --discrete_air.invariance_weight takes effect.", lower=0)
    view_rotation: float = option(
        25.0,
        "Largest rotation in degrees of the random views of a glimpse that invariant information clustering "
        "(--discrete_air.invariance_weight) gives the same category.",
        lower=0.0,
        upper=180.0,
    )
    elbo_first_step: int = option(
        0,
        "Step from which the ELBO's gradient reaches categories, and also templates if --discrete_air.matching_weight "
        "is above 0. Paper: 0.",
        lower=0,
    )

    @property
    def rotates(self) -> bool:
        """Whether objects have an explicit angle."""
        return self.pose in ("rotation", "rotation_and_skew")

    @property
    def num_deformations(self) -> int:
        """Number of dimensions of skew, or of the matrix for rotation and skew."""
        return {"rotation_and_skew": 2, "joint": 4}.get(self.pose, 0)

    @property
    def matches_rotations(self) -> bool:
        """Whether angles are those of template matching, with offsets."""
        return self.rotates and self.matching_weight > 0.0

    @property
    def num_pose_parameters(self) -> int:
        """Number of parameters of the posterior of deformations, and of rotation unless by template matching."""
        return 3 * (self.rotates and not self.matches_rotations) + 2 * self.num_deformations

    @override
    def check(self) -> None:
        if self.temperature_final > self.temperature:
            raise UserError("--discrete_air.temperature_final must not be above --discrete_air.temperature")
        if self.matching_noise_final > self.matching_noise:
            raise UserError("--discrete_air.matching_noise_final must not be above --discrete_air.matching_noise")
        if self.matching_weight and self.pose_from == "attention":
            raise UserError(
                "--discrete_air.matching_weight needs --discrete_air.pose_from=glimpse: template matching finds the "
                "rotation in upright glimpses"
            )
        if 0 < self.num_fine_categories < self.num_categories:
            raise UserError(
                "--discrete_air.num_fine_categories must be 0 or at least --discrete_air.num_categories, to which they "
                "are merged"
            )
        if self.invariance_weight and self.merging_step <= self.invariance_first_step:
            raise UserError("--discrete_air.merging_step must be above --discrete_air.invariance_first_step")


def check(config: Any) -> None:
    """Checks that Discrete-AIR works with the options of the loop over objects.

    Args:
        config: Configuration, a `Config`.

    Raises:
        UserError: If it does not.
    """
    if config.model_options["attention"].estimator == "nvil":
        raise UserError("--attention.estimator=nvil is only for --model=air: --model=discrete_air needs relaxed")


def schedule_ends(config: Any) -> Mapping[str, int]:
    """The last steps of Discrete-AIR's schedules and of those of the loop over objects, by flags."""
    options = config.model_options["discrete_air"]
    ends = {**air.schedule_ends(config), "--discrete_air.temperature_steps": options.temperature_steps}
    if options.matching_weight:
        matching_end = options.matching_first_step + options.matching_steps
        ends["--discrete_air.matching_first_step + --discrete_air.matching_steps"] = matching_end
    if options.invariance_weight:
        ends["--discrete_air.merging_step"] = options.merging_step
    return {**ends, "--discrete_air.elbo_first_step": options.elbo_first_step}
