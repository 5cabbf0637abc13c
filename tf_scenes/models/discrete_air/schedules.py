"""Schedules of Discrete-AIR's training."""

import dataclasses

from tf_scenes.models.discrete_air.options import DiscreteAirOptions
from tf_scenes.training.schedules import Ramp, Schedule, switched_on


@dataclasses.dataclass(frozen=True)
class DiscreteAirSchedules:
    """The schedules of Discrete-AIR.

    Attributes:
        temperature: Temperature of relaxed categories.
        matching_noise: Standard deviation of pixels in template matching: with large values all templates and angles
            match alike, with small ones the best match wins.
        matching_weight: Weight of template matching.
        sprite_gradient: Factor of the sprite's gradient, as in `SamplingOptions`; 0 leaves templates and categories to
            template matching.
        category_gradient: Factor of the category's gradient, as in `SamplingOptions`; 0 leaves categories to template
            matching and clustering.
    """

    temperature: Schedule
    matching_noise: Schedule
    matching_weight: Schedule
    sprite_gradient: Schedule
    category_gradient: Schedule

    @classmethod
    def from_options(cls, options: DiscreteAirOptions) -> "DiscreteAirSchedules":
        """The schedules that options describe."""
        matching_end = options.matching_first_step + options.matching_steps
        return cls(
            temperature=Ramp(
                options.temperature, options.temperature_final, 0, options.temperature_steps, geometric=True
            ),
            matching_noise=Ramp(
                options.matching_noise,
                options.matching_noise_final,
                options.matching_first_step,
                matching_end,
                geometric=True,
            ),
            matching_weight=Ramp(options.matching_weight, options.matching_weight, 0, 0),
            # Without template matching nothing but the ELBO trains templates.
            sprite_gradient=switched_on(options.elbo_first_step if options.matching_weight else 0, 1.0),
            category_gradient=switched_on(options.elbo_first_step, 1.0),
        )
