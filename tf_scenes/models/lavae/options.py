"""Options of LAVAE."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class LavaeOptions(Options, section="lavae"):
    """Options of LAVAE: section 2 and Appendix B of its paper."""

    latent_dim: int = option(32, "Number of dimensions of an object's appearance. Paper: 32.", lower=1, upper=4_096)
    location_channels: int = option(
        44, "Number of channels of the location network's inner layers.", lower=1, upper=4_096
    )
    appearance_channels: int = option(
        48, "Number of channels of the appearance network's inner layers.", lower=1, upper=4_096
    )
    generator_channels: int = option(
        40, "Number of channels of the sprite generator's inner layers.", lower=1, upper=4_096
    )
    auxiliary_channels: int = option(
        48,
        "Number of channels of the inner layers of the auxiliary VAE, which shows locations where objects are.",
        lower=1,
        upper=4_096,
    )
    auxiliary_latent_dim: int = option(
        8,
        "Number of channels of the latent map of the auxiliary VAE, which shows locations where objects are.",
        lower=1,
        upper=4_096,
    )
    inference_blocks: int = option(
        4, "Number of residual blocks of the location and appearance networks each. Paper: 4.", lower=1, upper=64
    )
    generator_blocks: int = option(3, "Number of residual blocks of the sprite generator. Paper: 3.", lower=1, upper=64)
    strides: int = option(
        1,
        "Factor by which the location and appearance networks reduce the resolution inside, 1 or 2. Paper: 1.",
        lower=1,
        upper=2,
    )
    location_features: str = option(
        "subpixel",
        "How --lavae.strides=2 restores a location feature for each pixel: subpixel, by a convolution with an output "
        "for each of four pixels; interpolated, by layers that treat all pixels alike.",
        choices=("subpixel", "interpolated"),
    )
    patch_size: int = option(
        0,
        "Side in pixels, a multiple of 4, of the patch around a location that an object's appearance is inferred from; "
        "somewhat more than --lavae.generated_size. 0: from a map of the whole image. Paper: 0.",
        lower=0,
        upper=1_024,
    )
    sprites: str = option(
        "convolutional",
        "How sprites are generated: convolutional, free drawings, as in the paper; convex, smooth convex shapes, which "
        "cannot show two objects side by side.",
        choices=("convolutional", "convex"),
    )
    generated_size: int = option(21, "Side of a generated sprite in pixels, odd. Paper: 21.", lower=3, upper=1_023)
    appearance_scale: float = option(
        0.1,
        "Scale of the initial weights of the appearance network's last layer, relative to Glorot initialisation.",
        lower=0.0,
    )
    logit_factor: float = option(
        1.5,
        "Factor f by which location features become the logits of the locations that LAVAE samples: f * log(height * "
        "width) * features.",
        lower=1e-6,
    )
    count_threshold: float = option(
        0.5,
        "Initial value of the threshold above which local maxima of the location features count as objects; the "
        "warm-up makes these maxima close to 1 at objects.",
    )
    count_window: int = option(
        11,
        "Side in pixels, odd, of the square neighbourhood within which a location feature must be the highest to "
        "count as an object; about two thirds of an object's side.",
        lower=3,
        upper=1_023,
    )
    exclusion_radius: int = option(
        0,
        "Distance in pixels, along each axis, within which no further location is sampled around a sampled one. Paper: "
        "0.",
        lower=0,
        upper=1_023,
    )
    temperature: float = option(
        0.5, "Gumbel-softmax temperature of sampled locations at the first step. Paper: 0.5.", lower=1e-3
    )
    temperature_final: float = option(
        0.02,
        "Gumbel-softmax temperature of sampled locations after --lavae.temperature_steps steps. Paper: 0.02.",
        lower=1e-3,
    )
    temperature_steps: int = option(
        100_000,
        "Number of steps over which the Gumbel-softmax temperature of locations falls exponentially, from "
        "--lavae.temperature to --lavae.temperature_final. Paper: 100,000.",
        lower=1,
    )
    location_learning_rate: float = option(
        5e-4,
        "Initial learning rate of the location network. Paper: 5e-4 (multi-dSprites), 1e-4 (multi-MNIST).",
        lower=0.0,
    )
    location_decay: float = option(
        0.01,
        "Factor by which the location network's learning rate is multiplied, gradually, over every "
        "--lavae.location_decay_steps steps. Paper: 0.01.",
        lower=0,
    )
    location_decay_steps: int = option(
        100_000,
        "Number of steps over which the location network's learning rate is multiplied, gradually, by "
        "--lavae.location_decay; afterwards this learning rate continues to fall at the same pace. Paper: 100,000.",
        lower=1,
    )
    warm_up_steps: int = option(
        30_000,
        "Number of steps at the beginning of training in which the number of objects is forced to the maximum. Paper: "
        "30,000.",
        lower=0,
    )
    warm_up_decay_steps: int = option(
        30_000,
        "Number of steps after --lavae.warm_up_steps over which the forced number of objects and the auxiliary loss "
        "are phased out. Paper: 30,000.",
        lower=0,
    )
    forced_objects: int = option(
        0,
        "Number of objects that training forces on an image, always in the warm-up and then with "
        "--lavae.forced_probability; 0 for --max_objects, as in the paper. A smaller number teaches large sprites, "
        "where images with many objects are rare.",
        lower=0,
        upper=1_000,
    )
    forced_probability: float = option(
        0.1,
        "Probability, after the warm-up has been phased out, of forcing the number of objects of an image, see "
        "--lavae.forced_objects. Paper: 0.1.",
        lower=0.0,
        upper=1.0,
    )
    auxiliary_weight: float = option(
        20.0,
        "Weight, during the warm-up, of the loss that draws location features to where the auxiliary VAE finds "
        "objects: their squared distance from its map of KL terms.",
        lower=0.0,
    )
    target_blur: float = option(
        4.5,
        "Standard deviation in pixels of the Gaussian blur of the map that --lavae.auxiliary_weight draws location "
        "features to; 0 for none, as in the paper.",
        lower=0.0,
    )
    kl_weight: float = option(
        1.0, "Weight of the location and appearance KL terms at the first step. Paper: 1.", lower=0.0, upper=1.0
    )
    kl_steps: int = option(
        0,
        "Number of steps over which the weight of the location and appearance KL terms rises linearly from "
        "--lavae.kl_weight to 1. Paper: 0.",
        lower=0,
    )
    presence_weight: float = option(
        0.0,
        "Weight of the presence loss, which makes the model count those objects that raise the log-likelihood by more "
        "than their KL terms. Paper: 0.",
        lower=0.0,
    )
    centering_weight: float = option(
        0.0,
        "Weight of the squared distance in pixels of each sprite's centre of mass from its middle. Without it an "
        "object's location is some point of the object, and sprites are cut off where it is not the middle. Paper: 0.",
        lower=0.0,
    )
    centering_power: int = option(
        1,
        "Power of a pixel's brightness that is its mass for --lavae.centering_weight. With 1, faint stains at the far "
        "edge of a sprite's frame shift its centre of mass at little cost to the likelihood; with 2 they hardly do.",
        lower=1,
        upper=4,
    )
    centering_slack: float = option(
        0.0,
        "Distance in pixels, in each direction, up to which --lavae.centering_weight leaves a sprite's centre of mass "
        "alone. Objects stand between pixels and locations do not: without slack, shapes are bent to be centred.",
        lower=0.0,
    )
    appearance_mixture: int = option(
        0,
        "Number of Gaussians that are fitted to the appearances of objects after training, with --calibration_size "
        "images; what is drawn from these looks more like objects that were seen than what is drawn from the prior. 0 "
        "for the prior, as in the paper.",
        lower=0,
        upper=1_000,
    )
    normalize: bool = option(
        False,
        "Whether pictures are normalised, each by its own pixels: its background becomes 0, and its brightest objects "
        "1, or its darkest objects if these stand out more. For real pictures. Paper: no.",
    )
    gamma: float = option(
        1.0,
        "Power to which the pixels of pictures normalised by --lavae.normalize are raised; below 1, dim and bright "
        "objects become more alike.",
        lower=0.1,
        upper=1.0,
    )
    likelihood: str = option(
        "bernoulli",
        "Distribution of pixels: bernoulli, a density of binary images only; gaussian, for grey and coloured pictures, "
        "with a learned standard deviation. Paper: bernoulli.",
        choices=("bernoulli", "gaussian"),
    )
    pixel_margin: float = option(
        1e-4,
        "How far pixel means are kept from 0 and 1, for --lavae.likelihood=bernoulli: every dark pixel pays this much, "
        "in nats, and a lit pixel that nothing covers minus the logarithm of it. Paper: no word of it.",
        lower=1e-6,
        upper=0.1,
    )
    missed_gradient: bool = option(
        True,
        "Whether lit pixels with nothing drawn near them draw sprites there, for --lavae.likelihood=bernoulli: the sum "
        "of sprites is clipped below 1 and above 0, and without this a clipped pixel has no gradient. Paper: no word "
        "of it.",
    )
    noise: float = option(
        0.12,
        "Standard deviation of pixels at the first step, for --lavae.likelihood=gaussian; above "
        "--lavae.smallest_noise.",
        lower=1e-3,
    )
    smallest_noise: float = option(
        0.05,
        "Lower limit of the learned standard deviation of pixels, for --lavae.likelihood=gaussian; below it, texture "
        "would be explained by further objects.",
        lower=0.0,
    )
    background: str = option(
        "none",
        "Background of an image: none, black; constant, one value for each image; smooth, haze and uneven light, on a "
        "grid of --lavae.background_spacing. Paper: none.",
        choices=("none", "constant", "smooth"),
    )
    background_spacing: int = option(
        32,
        "Distance in pixels between the points of the grid of --lavae.background=smooth: 8, 16, 32 or 64, larger than "
        "an object.",
        lower=8,
        upper=64,
    )
    background_stddev: float = option(
        0.2,
        "Standard deviation of the background of --lavae.background=constant or smooth under its prior, where objects "
        "have a brightness of 1.",
        lower=1e-3,
    )
    prunes: bool = option(
        False,
        "Whether scene descriptions leave out local maxima of the location features that raise the log-likelihood by "
        "less than their KL terms, if they were drawn. Paper: no.",
    )
    tested_window: int = option(
        0,
        "As --lavae.count_window, for the local maxima that --lavae.prunes puts to the test in scene descriptions: "
        "smaller where objects may come closer than in training. 0 for --lavae.count_window.",
        lower=0,
        upper=1_023,
        affects_training=False,
    )
    recenters: bool = option(
        False,
        "Whether scene descriptions move each object to the pixel nearest to the centre of mass of its sprite, and "
        "infer its appearance again there, so that both depend less on how the object lies on the grid; with "
        "--lavae.explains_away, where that centre is between pixels, to the one at which it is drawn best. Needs "
        "sprites that are trained to be in the middle of their frames, by --lavae.centering_weight. Paper: no.",
        affects_training=False,
    )
    explains_away: bool = option(
        False,
        "Whether scene descriptions infer each object's appearance a second time, from its patch without what the "
        "other objects' sprites show there; needs --lavae.patch_size. Paper: no.",
        affects_training=False,
    )
    faintest_object: float = option(
        0.0,
        "Peak below which a sprite is no object but a part of one, its halo or haze; it is neither counted nor drawn. "
        "Paper: 0.",
        lower=0.0,
        upper=1.0,
        affects_training=False,
    )
    merged_solidity: float = option(
        1.0,
        "Two adjoining objects are taken as one if their union is more solid than this, in area divided by that of the "
        "convex hull; 1 for never, as in the paper.",
        lower=0.5,
        upper=1.0,
        affects_training=False,
    )
    typical_share: float = option(
        0.0,
        "For pictures of several magnifications: each is scaled, by 0.8 to 1.5, so that its objects have this mean "
        "area, as a share of --lavae.generated_size squared, and they are inferred again; 0 for pictures as they are. "
        "Paper: 0.",
        lower=0.0,
        upper=1.0,
        affects_training=False,
    )
    outline_level: float = option(
        0.48,
        "Fraction of an object's brightness at which its mask ends: lower for wider outlines.",
        lower=0.05,
        upper=0.95,
        affects_training=False,
    )
    outline_slope: float = option(
        0.0,
        "How much --lavae.outline_level falls for each doubling of the mean area of a picture's objects; it holds as "
        "it is where their mean area is a sixth of --lavae.generated_size squared.",
        lower=0.0,
        upper=1.0,
        affects_training=False,
    )

    @override
    def check(self) -> None:
        if self.generated_size % 2 == 0:
            raise UserError(f"--lavae.generated_size={self.generated_size} must be odd")
        if self.count_window % 2 == 0:
            raise UserError(f"--lavae.count_window={self.count_window} must be odd")
        if self.tested_window and self.tested_window % 2 == 0:
            raise UserError(f"--lavae.tested_window={self.tested_window} must be odd, or 0")
        if self.patch_size % 4:
            raise UserError(f"--lavae.patch_size={self.patch_size} must be a multiple of 4, or 0")
        if self.recenters and not self.centering_weight:
            raise UserError("--lavae.recenters needs --lavae.centering_weight, by which sprites are in the middle")
        if self.explains_away and not self.patch_size:
            raise UserError("--lavae.explains_away needs --lavae.patch_size, the side of the patches that it is about")
        if self.noise <= self.smallest_noise:
            raise UserError(f"--lavae.noise={self.noise} must be above --lavae.smallest_noise={self.smallest_noise}")
        if self.background_spacing not in (8, 16, 32, 64):
            raise UserError(f"--lavae.background_spacing={self.background_spacing} must be 8, 16, 32 or 64")
        if self.temperature_final > self.temperature:
            raise UserError("--lavae.temperature_final must not be above --lavae.temperature")


def check(config: Any) -> None:
    """Checks that LAVAE's options fit those of the data.

    Args:
        config: Configuration, a `Config`.

    Raises:
        UserError: If they do not.
    """
    options, data = config.model_options["lavae"], config.data
    side = "crop_size" if data.crop_size else "image_size"
    if options.generated_size > getattr(data, side):
        raise UserError(
            f"--lavae.generated_size={options.generated_size} must be at most --{side}={getattr(data, side)}"
        )


def schedule_ends(config: Any) -> Mapping[str, int]:
    """The last steps of LAVAE's schedules, by flags."""
    options = config.model_options["lavae"]
    return {
        "--lavae.warm_up_steps + --lavae.warm_up_decay_steps": options.warm_up_steps + options.warm_up_decay_steps,
        "--lavae.temperature_steps": options.temperature_steps,
        "--lavae.kl_steps": options.kl_steps,
    }


def largest_object(config: Any) -> tuple[str, int]:
    """The flag that limits the size of objects, and the side of the largest object that LAVAE can draw, in pixels."""
    return "--lavae.generated_size", config.model_options["lavae"].generated_size


def limits(flags: Mapping[str, Any]) -> tuple[str, ...]:
    """What users of a LAVAE that was trained with certain flags should be aware of, a sentence each.

    Args:
        flags: Values of flags by name; those of options that are newer than the run are missing.
    """
    of_lavae = {name.partition(".")[2]: value for name, value in flags.items() if name.startswith("lavae.")}
    known = {field.name for field in dataclasses.fields(LavaeOptions)}
    options = LavaeOptions(**{name: value for name, value in of_lavae.items() if name in known})
    pixels = {
        "bernoulli": "Pixels are modelled as binary",
        "gaussian": "The noise of pixels is modelled as the same everywhere and in all images",
    }[options.likelihood]
    background = {
        "none": "objects as separate bright shapes on a black background",
        "constant": "objects as shapes on an even background",
        "smooth": "objects as shapes on a background that changes slowly, over "
        f"{options.background_spacing} pixels or more",
    }[options.background]
    location = "Locations are whole pixels; a location is a fixed point of an object, not always its centre"
    if options.sprites == "convex" or options.centering_weight:
        location = "Locations are in the middle of an object, to about a pixel"
    normalized = (
        "The median pixel of an image is taken for its background: objects must cover less than half of it.",
        "Objects of an image are all brighter than its background, or all darker.",
    )
    return (
        f"{pixels}, and {background}.",
        *(normalized if options.normalize else ()),
        f"{location}.",
        "Any image size works, but objects should be about as large as in training; those wider than "
        f"{options.generated_size} pixels cannot be drawn whole.",
    )
