"""Configuration: frozen, typed, validated, and the only place that knows flag names.

Every option stands once, as a field of a dataclass with its default, its range and its help text; absl flags are
derived from the fields. Model options have the model's name as prefix (`--lavae.latent_dim`).
"""

import dataclasses
import os
import sys
from collections.abc import Iterator
from typing import Any, Optional

from absl import flags

from tf_scenes.errors import UserError

# Experiments with a trained run, each a section of its report.
EXPERIMENTS = ("likelihood", "disentanglement", "canvases")
MODES = ("train", "evaluate", "export", "generate", "edit", "compare", *EXPERIMENTS)
DATASETS = (
    "multi_dsprites",
    "multi_mnist_1k",
    "multi_mnist_10k",
    "multi_digits",
    "multi_sprites",
    "multi_mnist_air",
    "multi_digits_air",
    "multi_custom",
    "images",
)


def option(
    default: Any,
    help_text: str,
    lower: Optional[float] = None,
    upper: Optional[float] = None,
    choices: Optional[tuple[str, ...]] = None,
) -> Any:
    """A dataclass field with what its flag needs: help text with unit, and the values allowed."""
    metadata = {"help": help_text, "lower": lower, "upper": upper, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class JobConfig:
    """What is to be done, and where results go."""

    mode: str = option("train", "What to do; train also evaluates and exports.", choices=MODES)
    run_dir: Optional[str] = option(
        None,
        "Folder of the run: checkpoints, TensorBoard logs, figures/, report.json. Default: runs/<flagfile's name>.",
    )
    export_dir: Optional[str] = option(
        None, "Folder for the exported encoder and decoder. Default: saved_models/<flagfile's name>."
    )
    compare_runs: Optional[str] = option(
        None, "Folders of the runs whose count accuracy --mode=compare plots, with commas between."
    )
    seed: int = option(0, "Seed of all randomness: scenes, initial weights, samples.", lower=0, upper=2**31 - 1)
    strategy: str = option(
        "default",
        "Where training runs: default, one device; mirrored, all GPUs of this machine; multi_worker, the machines of "
        "the environment variable TF_CONFIG. docs/distributed.md has more.",
        choices=("default", "mirrored", "multi_worker"),
    )
    deterministic: bool = option(
        True, "Operations give the same bits each time on the same machine. GPUs may be faster without."
    )


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The scenes."""

    dataset: str = option(
        "multi_dsprites",
        "Data set. multi_mnist_1k and _10k: a pool of as many binary MNIST digits; multi_digits: scikit-learn's, "
        "binary; multi_sprites: grey shapes; multi_mnist_air, multi_digits_air: grey digits; multi_custom: sprites of "
        "--sprites_path; images: the images of --images_path.",
        choices=DATASETS,
    )
    mnist_path: Optional[str] = option(
        None, "Folder with MNIST's IDX .gz files, or an mnist.npz. Default: Keras's copy, downloaded if need be."
    )
    sprites_path: Optional[str] = option(
        None, "An .npz with sprites (K x h x w [x C], uint8 or float in [0, 1]) and optionally labels: multi_custom."
    )
    images_path: Optional[str] = option(
        None, "An .npz with images (N x H x W [x C], uint8 or float in [0, 1]) and optionally counts: images."
    )
    image_size: int = option(64, "Side of the square canvas, pixels. Paper: 64.", lower=8, upper=4096)
    sprite_size: int = option(18, "Side of the largest object, pixels. Paper: 18.", lower=8, upper=1024)
    train_size: int = option(190_000, "Number of training scenes. Paper: 190,000.", lower=1)
    test_size: int = option(10_000, "Number of test scenes; as many with many objects. Paper: 10,000.", lower=1)
    min_objects: int = option(0, "Fewest objects in a training or test scene. Paper: 0.", lower=0)
    max_objects: int = option(3, "Most objects in a training or test scene. Paper: 3.", lower=1)
    many_objects: int = option(
        7, "Objects in each scene of a second test split, of that name: test_7. LAVAE's paper: 7.", lower=1
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The length of training, its optimiser, and what is written while it lasts."""

    train_steps: int = option(200_000, "Optimisation steps.", lower=1)
    batch_size: int = option(64, "Images a step. Paper: 64.", lower=1)
    learning_rate: float = option(
        1e-3, "Learning rate, of Adamax (LAVAE, VAE; paper: 1e-3) or Adam (paper: 1e-4).", lower=1e-9
    )
    learning_rate_final: float = option(
        1e-3, "Learning rate at the last step; it falls linearly over the last 40 % of the steps. Papers: constant."
    )
    precision: str = option(
        "float32",
        "What networks compute in; distributions, KL terms and losses are float32 always. mixed_bfloat16 for CPUs and "
        "GPUs that have it, mixed_float16 for older GPUs, with dynamic loss scaling.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    gradient_clip_norm: float = option(
        0.0, "Gradients are scaled down to this global norm, by optimiser; 0 leaves them. Paper: 0.", lower=0.0
    )
    steps_per_report: int = option(
        1_000, "Steps between two lines of progress, checkpoints and evaluations on held-out scenes.", lower=1
    )
    steps_per_execution: int = option(10, "Steps that run in TensorFlow between two calls from Python.", lower=1)
    report_size: int = option(512, "Held-out scenes that each of those evaluations uses.", lower=1)
    calibration_size: int = option(
        2_000, "Training images on which the model is calibrated after the last step (LAVAE: how it counts).", lower=1
    )
    keep_checkpoints: int = option(3, "How many checkpoints are kept.", lower=1)


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """Evaluation, export and generation."""

    evaluation_batch_size: int = option(100, "Images a batch in evaluation; changes speed only.", lower=1)
    max_inferred_objects: int = option(
        12, "Most objects that inference reports for one image, in evaluation and in the exported encoder.", lower=1
    )
    num_generated: int = option(64, "Scenes that --mode=generate draws.", lower=1, upper=100_000)
    generated_max_objects: Optional[int] = option(
        None,
        "Makes the number of objects in generated scenes uniform on 0 to this. Default: the learned prior of counts.",
        lower=0,
    )
    experiment_size: int = option(
        1_000, "Images that each experiment uses: the first ones of a held-out split, or as many larger ones.", lower=1
    )
    importance_samples: int = option(
        100, "Samples of the importance-weighted bound of --mode=likelihood. Paper: 100.", lower=1
    )
    canvas_sizes: str = option("96,128", "Sides of the canvases of --mode=canvases, pixels, with commas between.")
    canvas_objects: int = option(20, "Most objects on them.", lower=1)
    scene_path: Optional[str] = option(
        None, "A text file that describes a scene; --mode=generate then draws it. Models with categories only."
    )

    edit_path: Optional[str] = option(
        None, "A text file with edits of scenes, such as those in configs/edits: --mode=edit makes them."
    )
    edit_images: Optional[str] = option(
        None, "An .npz with images (N x H x W [x C]) to edit. Default: the first test images with enough objects."
    )
    edit_models: Optional[str] = option(
        None, "Folder with an exported encoder/ and decoder/ to edit with. Default: the trained model of --run_dir."
    )
    num_edited: int = option(6, "Most images that --mode=edit edits.", lower=1)

    def canvas_sides(self) -> list[int]:
        """`canvas_sizes` as numbers.

        Raises:
            UserError: it is not a list of whole numbers.
        """
        words = self.canvas_sizes.split(",")
        if not all(word.strip().isdigit() and int(word) >= 8 for word in words):
            raise UserError(f"--canvas_sizes={self.canvas_sizes} must be whole numbers from 8 on with commas between")
        return [int(word) for word in words]


@dataclasses.dataclass(frozen=True)
class ServingConfig:
    """The exported models."""

    keep_versions: int = option(3, "Versions of an exported model that stay, with the newest.", lower=1)
    max_image_side: int = option(
        1_024, "Largest height and width of an image that an exported model takes or draws, pixels.", lower=8
    )
    warm_up_images: int = option(
        2, "Images in the requests that TensorFlow Serving warms a model up with; 0 leaves them out.", lower=0, upper=64
    )


@dataclasses.dataclass(frozen=True)
class LavaeConfig:
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
        100_000, "Steps over which it falls, exponentially; it goes on at the same pace. Paper: 100,000.", lower=1
    )
    warm_up_steps: int = option(
        30_000, "Steps in which the number of objects is forced to the maximum. Paper: 30,000.", lower=0
    )
    warm_up_decay_steps: int = option(
        30_000, "Steps after those, over which forcing and the auxiliary loss fade. Paper: 30,000.", lower=0
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
    kl_steps: int = option(0, "Steps over which that weight rises to 1, linearly. Paper: 0.", lower=0)
    presence_weight: float = option(
        0.0, "Weight of the presence loss, which ties the count to the likelihood's evidence. Paper: 0.", lower=0.0
    )


@dataclasses.dataclass(frozen=True)
class VaeConfig:
    """The VAE baseline: Appendix B of LAVAE's paper, "Baseline implementation"."""

    channels: int = option(64, "Channels inside encoder and decoder. Paper: about 1M parameters in all.", lower=1)
    latent_channels: int = option(16, "Latents at each place of the latent tensor.", lower=1)
    kl_steps: int = option(
        100_000, "Steps over which beta, the weight of the KL, rises from 0 to 1, linearly. Paper: 100,000.", lower=0
    )


@dataclasses.dataclass(frozen=True)
class AttentionConfig:
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
    scale_stddev: float = option(0.5, "Prior standard deviation of its log-odds.", lower=0.01)
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
        True, "Whether descriptions leave out objects that gain less log-likelihood than they cost. Paper: no."
    )
    continue_probability: float = option(
        0.99, "Prior probability of one more object at the first step.", lower=1e-6, upper=0.999999
    )
    continue_probability_final: float = option(
        0.001, "The same at the end of its annealing.", lower=1e-6, upper=0.999999
    )
    continue_first_step: int = option(
        0, "Step at which it begins to fall, and before which nvil credits no presence. Paper: 0.", lower=0
    )
    continue_steps: int = option(3_000, "Steps over which it falls, exponentially.", lower=0)


@dataclasses.dataclass(frozen=True)
class AirConfig:
    """AIR: section 2 of Discrete-AIR's paper."""

    what_dim: int = option(50, "Dimensions of an object's appearance. Paper: 50.", lower=1)


@dataclasses.dataclass(frozen=True)
class DiscreteAirConfig:
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
    temperature_final: float = option(0.3, "The same at the end of its annealing.", lower=1e-3)
    temperature_steps: int = option(4_000, "Steps over which it falls, exponentially.", lower=0)
    matching_weight: float = option(0.0, "Weight of template matching. Paper: 0.", lower=0.0)
    matching_noise: float = option(
        6.0, "Pixels' standard deviation in matching, at first: tries everything.", lower=0.01
    )
    matching_noise_final: float = option(1.0, "The same at the end of its annealing: chooses.", lower=0.01)
    matching_first_step: int = option(1_000, "Step at which that annealing begins; before, all is alike.", lower=0)
    matching_steps: int = option(1_500, "Steps over which it falls, exponentially.", lower=1)
    invariance_weight: float = option(
        0.0, "Weight of the information that categories keep when objects are moved. Paper: 0.", lower=0.0
    )
    invariance_heads: int = option(1, "Clusterings learned side by side, the best of which is taken.", lower=1)
    invariance_first_step: int = option(1_000, "Step at which that weight is switched on.", lower=0)
    view_rotation: float = option(
        25.0, "Largest rotation of views that share a category, degrees.", lower=0.0, upper=180.0
    )
    elbo_first_step: int = option(
        0, "Step from which the ELBO's gradient reaches categories, and templates if matched. Paper: 0.", lower=0
    )


_SECTIONS = {
    "job": JobConfig,
    "data": DataConfig,
    "train": TrainConfig,
    "evaluation": EvaluationConfig,
    "serving": ServingConfig,
    "lavae": LavaeConfig,
    "vae": VaeConfig,
    "attention": AttentionConfig,
    "air": AirConfig,
    "discrete_air": DiscreteAirConfig,
}
# The sections that only some models have; their flags are prefixed with the section's name.
_MODEL_SECTIONS = {
    "lavae": ("lavae",),
    "vae": ("vae",),
    "air": ("attention", "air"),
    "discrete_air": ("attention", "discrete_air"),
}
_PREFIXED = {section for sections in _MODEL_SECTIONS.values() for section in sections}


@dataclasses.dataclass(frozen=True)
class Config:
    """All options of a run; `config_from_flags` makes one."""

    model: str
    job: JobConfig
    data: DataConfig
    train: TrainConfig
    evaluation: EvaluationConfig
    serving: ServingConfig
    lavae: LavaeConfig
    vae: VaeConfig
    attention: AttentionConfig
    air: AirConfig
    discrete_air: DiscreteAirConfig

    def __post_init__(self) -> None:
        """Checks combinations of options.

        Raises:
            UserError: a combination that cannot work; the message names the flags.
        """
        _check_data(self.data)
        self.evaluation.canvas_sides()
        if self.model == "lavae":
            _check_lavae(self.lavae, self.data)
        if self.model == "discrete_air":
            _check_discrete_air(self.discrete_air, self.attention)
        if self.model == "vae" and self.evaluation.generated_max_objects is not None:
            raise UserError("--generated_max_objects needs a model that finds objects: --model=vae does not")
        if self.job.mode == "edit" and not self.evaluation.edit_path:
            raise UserError("--mode=edit needs --edit_path, a text file with edits")
        if self.job.mode == "compare" and not self.job.compare_runs:
            raise UserError("--mode=compare needs --compare_runs, the folders of runs with commas between")
        if self.train.steps_per_report % self.train.steps_per_execution:
            raise UserError("--steps_per_report must be a multiple of --steps_per_execution")
        if self.train.learning_rate_final > self.train.learning_rate:
            raise UserError("--learning_rate_final must not be above --learning_rate")
        if self.evaluation.max_inferred_objects < self.data.max_objects:
            raise UserError("--max_inferred_objects must not be below --max_objects")

    def flag_values(self) -> dict[str, Any]:
        """Every flag's name and value, in the order of the definitions."""
        values = {"model": self.model}
        for section, name, field in _fields():
            values[name] = getattr(getattr(self, section), field.name)
        return values


def _check_data(data: DataConfig) -> None:
    if data.min_objects > data.max_objects:
        raise UserError(f"--min_objects={data.min_objects} is above --max_objects={data.max_objects}")
    if data.sprite_size > data.image_size:
        raise UserError(f"--sprite_size={data.sprite_size} is above --image_size={data.image_size}")
    for dataset, flag in (("multi_custom", "sprites_path"), ("images", "images_path")):
        if data.dataset == dataset and getattr(data, flag) is None:
            raise UserError(f"--dataset={dataset} needs --{flag}, an .npz file")


def _check_lavae(lavae: LavaeConfig, data: DataConfig) -> None:
    if lavae.generated_size % 2 == 0 or lavae.generated_size > data.image_size:
        raise UserError(
            f"--lavae.generated_size={lavae.generated_size} must be odd and at most --image_size={data.image_size}"
        )
    if lavae.count_window % 2 == 0:
        raise UserError(f"--lavae.count_window={lavae.count_window} must be odd")
    if lavae.temperature_final > lavae.temperature:
        raise UserError("--lavae.temperature_final must not be above --lavae.temperature")


def _check_discrete_air(options: DiscreteAirConfig, attention: AttentionConfig) -> None:
    if attention.estimator == "nvil":
        raise UserError("--attention.estimator=nvil is AIR's: --model=discrete_air needs relaxed")
    if options.temperature_final > options.temperature:
        raise UserError("--discrete_air.temperature_final must not be above --discrete_air.temperature")
    if options.matching_noise_final > options.matching_noise:
        raise UserError("--discrete_air.matching_noise_final must not be above --discrete_air.matching_noise")


def _fields() -> Iterator[tuple[str, str, dataclasses.Field]]:
    """Every option as (section, flag name, field)."""
    for section, section_class in _SECTIONS.items():
        prefix = f"{section}." if section in _PREFIXED else ""
        for field in dataclasses.fields(section_class):
            yield section, prefix + field.name, field


def flag_defaults() -> dict[str, Any]:
    """Every flag's name and default."""
    return {name: field.default for _, name, field in _fields()}


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines an absl flag for every option."""
    flags.DEFINE_enum("model", "lavae", list(_MODEL_SECTIONS), "Model.", flag_values=flag_values)
    for _, name, field in _fields():
        _define_flag(name, field, flag_values)


def _define_flag(name: str, field: dataclasses.Field, flag_values: flags.FlagValues) -> None:
    help_text, lower, upper, choices = (field.metadata[key] for key in ("help", "lower", "upper", "choices"))
    common = {"name": name, "default": field.default, "help": help_text, "flag_values": flag_values}
    if choices:
        flags.DEFINE_enum(enum_values=list(choices), **common)
    elif field.type in (int, Optional[int]):
        flags.DEFINE_integer(lower_bound=lower, upper_bound=upper, **common)
    elif field.type is float:
        flags.DEFINE_float(lower_bound=lower, upper_bound=upper, **common)
    elif field.type is bool:
        flags.DEFINE_boolean(**common)
    else:
        flags.DEFINE_string(**common)


def config_from_flags(flag_values: flags.FlagValues = flags.FLAGS, arguments: Optional[list[str]] = None) -> Config:
    """The configuration that parsed flags describe.

    Args:
        flag_values: parsed flags.
        arguments: the command line, from which the flagfile's name is taken for the default folders; `sys.argv` by
            default.

    Raises:
        UserError: a combination of flags that cannot work.
    """
    values: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for section, name, field in _fields():
        values[section][field.name] = flag_values[name].value
    run_name = _flagfile_name(sys.argv if arguments is None else arguments)
    run_name = run_name or f"{flag_values['model'].value}_{values['data']['dataset']}"
    values["job"]["run_dir"] = values["job"]["run_dir"] or os.path.join("runs", run_name)
    values["job"]["export_dir"] = values["job"]["export_dir"] or os.path.join("saved_models", run_name)
    sections = {section: _SECTIONS[section](**options) for section, options in values.items()}
    return Config(model=flag_values["model"].value, **sections)


def _flagfile_name(arguments: list[str]) -> Optional[str]:
    """`lavae` for `--flagfile=configs/lavae.cfg` or `--flagfile configs/lavae.cfg`; the last one counts."""
    name = None
    for argument, following in zip(arguments, [*arguments[1:], ""]):
        if argument.startswith(("--flagfile=", "-flagfile=")):
            name = argument.split("=", 1)[1]
        elif argument in ("--flagfile", "-flagfile"):
            name = following
    return os.path.splitext(os.path.basename(name))[0] if name else None


def training_flags(config: Config) -> dict[str, Any]:
    """The flags that what is learned depends on: a run's folder belongs to one set of their values."""
    own = {
        field.name for section in (JobConfig, EvaluationConfig, ServingConfig) for field in dataclasses.fields(section)
    }
    own -= {"seed"}
    own |= {"report_size", "keep_checkpoints", "mnist_path", "sprites_path", "images_path", "attention.prunes"}
    values = config.flag_values()
    model_prefixes = tuple(f"{section}." for section in sorted(_PREFIXED - set(_MODEL_SECTIONS[config.model])))
    return {name: value for name, value in values.items() if name not in own and not name.startswith(model_prefixes)}
