"""Options of AIR, and of the loop over objects that it shares with Discrete-AIR."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class AttentionOptions(Options, section="attention"):
    """Options that AIR and Discrete-AIR share: sections 2 and 3 of Discrete-AIR's paper."""

    units: int = option(256, "Number of units of the LSTM that finds objects.", lower=1, upper=16_384)
    encoder_units: int = option(
        256, "Number of units of the glimpse encoder, which infers what an object looks like.", lower=1, upper=16_384
    )
    decoder_units: int = option(
        256, "Number of units of the object decoder, which draws an object.", lower=1, upper=16_384
    )
    convolutional: bool = option(
        True, "Whether convolutions precede the dense layers that process images and glimpses. Original AIR: no."
    )
    memory: bool = option(
        True,
        "Whether the LSTM keeps its state from one object to the next. Without, what is left to explain and the latest "
        "object alone decide whether there is another, the same way for any number of objects. Paper: yes.",
    )
    extra_slots: int = option(
        0,
        "Number of slots that training unrolls beyond --max_objects, so that the step after a full scene is trained "
        "too. Paper: 0.",
        lower=0,
        upper=1_000,
    )
    looks_at: str = option(
        "difference",
        "What networks see of an image while objects are found one by one: difference, where the LSTM sees the image "
        "minus the objects drawn so far, and glimpses are read from the image; or unexplained, where both see the "
        "image without what those objects cover, widened by two pixels. Paper: difference.",
        choices=("difference", "unexplained"),
    )
    glimpse_size: int = option(20, "Side of a glimpse in pixels.", lower=4, upper=1_024)
    separate_scales: bool = option(
        False, "Whether the width and height of a glimpse are inferred separately. Paper: yes."
    )
    mean_scale: float = option(
        0.3, "Prior mean of a glimpse's scale, the fraction of the canvas that its side spans.", lower=0.01, upper=0.99
    )
    scale_stddev: float = option(
        0.5, "Prior standard deviation of the log-odds of a glimpse's scale (see --attention.mean_scale).", lower=0.01
    )
    translation_stddev: float = option(
        1.0, "Prior standard deviation of a glimpse's position before its tanh.", lower=0.01
    )
    surroundings: float = option(
        1.5,
        "Scale of the glimpse of the second look, which corrects the first guess of an object's position and scale, as "
        "a multiple of the guessed scale; 0 for no second look. Paper: 0.",
        lower=0.0,
    )
    pixel_stddev: float = option(0.3, "Standard deviation of the Gaussian likelihood of pixels.", lower=0.01)
    estimator: str = option(
        "relaxed",
        "Gradient estimator of the presence of objects: relaxed (Gumbel-sigmoid) or nvil (as in the original AIR; only "
        "for --model=air).",
        choices=("relaxed", "nvil"),
    )
    presence_temperature: float = option(
        1.0,
        "Temperature of an object's presence, a Bernoulli variable relaxed to a number from 0 to 1 in training, for "
        "--attention.estimator=relaxed.",
        lower=0.01,
    )
    guesses: int = option(
        1,
        "Number of places at which scene descriptions look for each object: the LSTM's guess and places around it, a "
        "quarter of a glimpse's side apart, of which the one that explains most is taken. Paper: 1.",
        lower=1,
        upper=9,
        affects_training=False,
    )
    prunes: bool = option(
        True,
        "Whether scene descriptions leave out objects that raise the log-likelihood by less than their KL terms. "
        "Paper: no.",
        affects_training=False,
    )
    continue_probability: float = option(
        0.99,
        "Prior probability that there is another object, at the first step of training; it falls to "
        "--attention.continue_probability_final.",
        lower=1e-6,
        upper=0.999999,
    )
    continue_probability_final: float = option(
        0.001,
        "Prior probability that there is another object, --attention.continue_steps steps after "
        "--attention.continue_first_step.",
        lower=1e-6,
        upper=0.999999,
    )
    continue_first_step: int = option(
        0,
        "Step at which the prior probability of another object, --attention.continue_probability, begins to fall; "
        "before this step, the gradient of presence by --attention.estimator=nvil is switched off. Paper: 0.",
        lower=0,
    )
    continue_steps: int = option(
        3_000,
        "Number of steps over which the prior probability of another object falls exponentially, from "
        "--attention.continue_probability to --attention.continue_probability_final.",
        lower=0,
    )

    @override
    def check(self) -> None:
        if self.continue_probability_final > self.continue_probability:
            raise UserError("--attention.continue_probability_final must not be above --attention.continue_probability")


@dataclasses.dataclass(frozen=True)
class AirOptions(Options, section="air"):
    """Options of AIR: section 2 of Discrete-AIR's paper."""

    what_dim: int = option(
        50, "Number of dimensions of an object's appearance z_what. Paper: 50.", lower=1, upper=4_096
    )


def schedule_ends(config: Any) -> Mapping[str, int]:
    """The last steps of the schedules of the loop over objects, by flags."""
    return {"--attention.continue_steps": config.model_options["attention"].continue_steps}
