"""LAVAE's options: section 2 and Appendix B of its paper."""

import dataclasses
from typing import Any

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class LavaeOptions(Options, section="lavae"):
    """LAVAE: section 2 and Appendix B of its paper."""

    latent_dim: int = option(32, "Dimensions of an object's appearance. Paper: 32.", lower=1)
    location_channels: int = option(44, "Channels inside the location network. Paper: about 44.", lower=1)
    appearance_channels: int = option(48, "Channels inside the appearance network. Paper: about 48.", lower=1)
    generator_channels: int = option(40, "Channels inside the sprite generator. Paper: about 40.", lower=1)
    auxiliary_channels: int = option(48, "Channels inside the auxiliary VAE.", lower=1)
    auxiliary_latent_dim: int = option(8, "Channels of the auxiliary VAE's latent map.", lower=1)
    inference_blocks: int = option(4, "Residual blocks of the location and appearance networks. Paper: 4.", lower=1)
    generator_blocks: int = option(3, "Residual blocks of the sprite generator. Paper: 3.", lower=1)
    strides: int = option(
        1, "The inference networks work at 1 / strides of the resolution, 1 or 2. Paper: 1.", lower=1, upper=2
    )
    generated_size: int = option(21, "Side of a generated sprite, pixels, odd. Paper: 21.", lower=3)
    appearance_scale: float = option(
        0.1, "Initial weights of the appearance map's last layer, as a multiple of Glorot's.", lower=0.0
    )
    logit_factor: float = option(
        1.5, "Location logits are the location features times this times log(height * width).", lower=1e-6
    )
    count_threshold: float = option(
        0.5, "Local maxima of the location features above this count as objects; the warm-up's peaks are near 1."
    )
    count_window: int = option(
        11, "Side of the neighbourhood of a local maximum, pixels, odd; about two thirds of an object.", lower=3
    )
    exclusion_radius: int = option(
        0, "A sampled location also takes the pixels up to this far, in pixels, in both directions. Paper: 0.", lower=0
    )
    temperature: float = option(0.5, "Gumbel-softmax temperature at the first step. Paper: 0.5.", lower=1e-3)
    temperature_final: float = option(0.02, "Gumbel-softmax temperature at the end. Paper: 0.02.", lower=1e-3)
    temperature_steps: int = option(
        100_000, "Steps over which the temperature falls, exponentially. Paper: 100,000.", lower=1
    )
    location_learning_rate: float = option(
        5e-4, "The location network's learning rate at first. Paper: 5e-4 (multi-dSprites), 1e-4 (multi-MNIST)."
    )
    location_decay: float = option(
        0.01, "Factor of the location network's learning rate after --lavae.location_decay_steps. Paper: 0.01.", lower=0
    )
    location_decay_steps: int = option(
        100_000,
        "Steps over which the location network's learning rate falls by that factor, exponentially; it goes on falling "
        "at the same pace. Paper: 100,000.",
        lower=1,
    )
    warm_up_steps: int = option(
        30_000, "Steps in which the number of objects is forced to the maximum. Paper: 30,000.", lower=0
    )
    warm_up_decay_steps: int = option(
        30_000, "Steps after the warm-up, over which forcing and the auxiliary loss fade. Paper: 30,000.", lower=0
    )
    forced_probability: float = option(
        0.1, "Probability of forcing the number of objects after the warm-up. Paper: 0.1.", lower=0.0, upper=1.0
    )
    auxiliary_weight: float = option(
        20.0, "Weight of the squared distance between location features and KL map in the warm-up.", lower=0.0
    )
    target_blur: float = option(4.5, "Standard deviation of the KL map's Gaussian blur, pixels.", lower=0.1)
    kl_weight: float = option(
        1.0, "Weight of the location and appearance KL at the first step. Paper: 1.", lower=0.0, upper=1.0
    )
    kl_steps: int = option(0, "Steps over which --lavae.kl_weight rises to 1, linearly. Paper: 0.", lower=0)
    presence_weight: float = option(
        0.0,
        "Weight of the presence loss, which ties the count to what objects gain in log-likelihood. Paper: 0.",
        lower=0.0,
    )

    def check(self) -> None:
        """See `Options.check`."""
        if self.count_window % 2 == 0:
            raise UserError(f"--lavae.count_window={self.count_window} must be odd")
        if self.temperature_final > self.temperature:
            raise UserError("--lavae.temperature_final must not be above --lavae.temperature")


def check(config: Any) -> None:
    """Checks LAVAE's options against the data's.

    Args:
        config: a `Config`.

    Raises:
        UserError: they do not go together.
    """
    generated_size, image_size = config.model_options["lavae"].generated_size, config.data.image_size
    if generated_size % 2 == 0 or generated_size > image_size:
        raise UserError(f"--lavae.generated_size={generated_size} must be odd and at most --image_size={image_size}")
