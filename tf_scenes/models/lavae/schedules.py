"""Schedules of LAVAE's training: Appendix B."""

import dataclasses

from tf_scenes.models.lavae.options import LavaeOptions
from tf_scenes.training.schedules import Ramp, Schedule


@dataclasses.dataclass(frozen=True)
class LavaeSchedules:
    """The schedules of LAVAE.

    Attributes:
        temperature: Temperature of the Gumbel-softmax relaxation of locations.
        forced_probability: Probability of forcing n = N, the maximum number of objects.
        auxiliary_weight: Weight of the squared distance between location features and the auxiliary VAE's KL map.
        kl_weight: Weight of the location and appearance KL terms.
        presence_weight: Weight of the presence loss.
    """

    temperature: Schedule
    forced_probability: Schedule
    auxiliary_weight: Schedule
    kl_weight: Schedule
    presence_weight: Schedule

    @classmethod
    def from_options(cls, options: LavaeOptions) -> "LavaeSchedules":
        """The schedules that options describe."""
        warm_up_end = options.warm_up_steps
        decay_end = warm_up_end + options.warm_up_decay_steps
        return cls(
            temperature=Ramp(
                options.temperature, options.temperature_final, 0, options.temperature_steps, geometric=True
            ),
            forced_probability=Ramp(1.0, options.forced_probability, warm_up_end, decay_end),
            auxiliary_weight=Ramp(options.auxiliary_weight, 0.0, warm_up_end, decay_end),
            kl_weight=Ramp(options.kl_weight, 1.0, 0, options.kl_steps),
            presence_weight=Ramp(0.0, options.presence_weight, warm_up_end, (warm_up_end + decay_end) // 2),
        )
