"""What changes while LAVAE trains: Appendix B."""

import dataclasses

from tf_scenes.models.lavae.options import LavaeOptions
from tf_scenes.training.schedules import Ramp, Schedule


@dataclasses.dataclass(frozen=True)
class LavaeSchedules:
    """Values by optimisation step.

    Attributes:
        temperature: of the Gumbel-softmax relaxation.
        forced_probability: of forcing n = N.
        auxiliary_weight: of the squared distance between location features and the auxiliary VAE's KL map.
        kl_weight: of the location and appearance KL.
        presence_weight: of the presence loss.
    """

    temperature: Schedule
    forced_probability: Schedule
    auxiliary_weight: Schedule
    kl_weight: Schedule
    presence_weight: Schedule

    @classmethod
    def from_options(cls, options: LavaeOptions) -> "LavaeSchedules":
        """The schedules that options describe."""
        warm, faded = options.warm_up_steps, options.warm_up_steps + options.warm_up_decay_steps
        return cls(
            temperature=Ramp(
                options.temperature, options.temperature_final, 0, options.temperature_steps, geometric=True
            ),
            forced_probability=Ramp(1.0, options.forced_probability, warm, faded),
            auxiliary_weight=Ramp(options.auxiliary_weight, 0.0, warm, faded),
            kl_weight=Ramp(options.kl_weight, 1.0, 0, options.kl_steps),
            presence_weight=Ramp(0.0, options.presence_weight, warm, (warm + faded) // 2),
        )
