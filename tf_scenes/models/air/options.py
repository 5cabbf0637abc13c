"""Options of AIR, and of the loop over objects that it shares with Discrete-AIR."""

import dataclasses

from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class AttentionOptions(Options, section="attention"):
    """What AIR and Discrete-AIR share: sections 2 and 3 of Discrete-AIR's paper."""

    units: int = option(256, "Units of the LSTM.", lower=1)
    encoder_units: int = option(256, "Units of the glimpse encoder.", lower=1)
    decoder_units: int = option(256, "Units of the object decoder.", lower=1)
    convolutional: bool = option(
        True, "Whether convolutions look at images and glimpses before dense layers do. Original AIR: no."
    )
    glimpse_size: int = option(20, "Side of a glimpse, pixels.", lower=4)
    separate_scales: bool = option(False, "Whether a glimpse's width and height are inferred apart. Paper: yes.")
    mean_scale: float = option(0.3, "Prior mean of a glimpse's share of the canvas.", lower=0.01, upper=0.99)
    scale_stddev: float = option(0.5, "Prior standard deviation of the log-odds of that share.", lower=0.01)
    translation_stddev: float = option(
        1.0, "Prior standard deviation of a glimpse's position before its tanh.", lower=0.01
    )
    surroundings: float = option(
        1.5, "The second look takes in this multiple of the first guess; 0: no second look. Paper: 0.", lower=0.0
    )
    pixel_stddev: float = option(0.3, "Standard deviation of Gaussian pixels.", lower=0.01)
    estimator: str = option(
        "relaxed",
        "Gradient of presence: relaxed (Gumbel-sigmoid), or nvil (the original AIR's; AIR only).",
        choices=("relaxed", "nvil"),
    )
    presence_temperature: float = option(1.0, "Temperature of the relaxed presence.", lower=0.01)
    prunes: bool = option(
        True,
        "Whether descriptions leave out objects that gain less log-likelihood than they cost. Paper: no.",
        affects_training=False,
    )
    continue_probability: float = option(
        0.99, "Prior probability of one more object at the first optimisation step.", lower=1e-6, upper=0.999999
    )
    continue_probability_final: float = option(
        0.001, "Prior probability of one more object at the end of its annealing.", lower=1e-6, upper=0.999999
    )
    continue_first_step: int = option(
        0,
        "Step at which that probability begins to fall, and before which nvil credits no presence. Paper: 0.",
        lower=0,
    )
    continue_steps: int = option(3_000, "Steps over which that probability falls, exponentially.", lower=0)


@dataclasses.dataclass(frozen=True)
class AirOptions(Options, section="air"):
    """AIR: section 2 of Discrete-AIR's paper."""

    what_dim: int = option(50, "Dimensions of an object's appearance. Paper: 50.", lower=1)
