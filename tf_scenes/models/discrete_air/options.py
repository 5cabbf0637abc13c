"""Discrete-AIR's options: section 3 of its paper."""

import dataclasses
from typing import Any

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class DiscreteAirOptions(Options, section="discrete_air"):
    """Discrete-AIR: section 3 of its paper."""

    num_categories: int = option(3, "Categories. Paper: 3 (Multi-Sprites), 10 (Multi-MNIST).", lower=2)
    num_attributes: int = option(0, "Dimensions of the attributes. Paper: 0 (Multi-Sprites), 1 (Multi-MNIST).", lower=0)
    combination: str = option(
        "additive",
        "How template and attributes are combined. Paper: additive.",
        choices=("additive", "multiplicative", "convolutional"),
    )
    pose: str = option(
        "rotation",
        "What follows scale and translation. Paper: rotation (Multi-Sprites), joint, one matrix (Multi-MNIST).",
        choices=("none", "rotation", "rotation_and_skew", "joint"),
    )
    decoder_learning_rate_factor: float = option(
        1.0, "The decoder's learning rate is --learning_rate times this. Paper: 1.", lower=1e-6
    )
    num_rotations: int = option(36, "Angles that template matching tries out.", lower=1)
    temperature: float = option(1.0, "Temperature of relaxed categories at the first step.", lower=1e-3)
    temperature_final: float = option(0.3, "Temperature of relaxed categories at the end of its annealing.", lower=1e-3)
    temperature_steps: int = option(4_000, "Steps over which the temperature falls, exponentially.", lower=0)
    matching_weight: float = option(0.0, "Weight of template matching. Paper: 0.", lower=0.0)
    matching_noise: float = option(
        6.0, "Pixels' standard deviation in matching, at first: tries everything.", lower=0.01
    )
    matching_noise_final: float = option(
        1.0, "Pixels' standard deviation in matching, at the end of its annealing: chooses.", lower=0.01
    )
    matching_first_step: int = option(
        1_000, "Step at which the annealing of the matching noise begins; before, all is alike.", lower=0
    )
    matching_steps: int = option(1_500, "Steps over which the matching noise falls, exponentially.", lower=1)
    invariance_weight: float = option(
        0.0, "Weight of the information that categories keep when objects are moved. Paper: 0.", lower=0.0
    )
    invariance_heads: int = option(1, "Clusterings learned side by side, the best of which is taken.", lower=1)
    invariance_first_step: int = option(
        1_000, "Step at which --discrete_air.invariance_weight is switched on.", lower=0
    )
    view_rotation: float = option(
        25.0, "Largest rotation of views that share a category, degrees.", lower=0.0, upper=180.0
    )
    elbo_first_step: int = option(
        0, "Step from which the ELBO's gradient reaches categories, and templates if matched. Paper: 0.", lower=0
    )

    @property
    def rotates(self) -> bool:
        """Whether an object has an angle of its own."""
        return self.pose in ("rotation", "rotation_and_skew")

    def check(self) -> None:
        """See `Options.check`."""
        if self.temperature_final > self.temperature:
            raise UserError("--discrete_air.temperature_final must not be above --discrete_air.temperature")
        if self.matching_noise_final > self.matching_noise:
            raise UserError("--discrete_air.matching_noise_final must not be above --discrete_air.matching_noise")


def check(config: Any) -> None:
    """Checks Discrete-AIR's options against those of the loop.

    Args:
        config: a `Config`.

    Raises:
        UserError: they do not go together.
    """
    if config.model_options["attention"].estimator == "nvil":
        raise UserError("--attention.estimator=nvil is AIR's: --model=discrete_air needs relaxed")
