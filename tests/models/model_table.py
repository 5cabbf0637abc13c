"""The models that every conformance test runs through, each in a size for tests."""

import numpy as np

ATTENTION = (
    "--attention.units=24",
    "--attention.encoder_units=16",
    "--attention.decoder_units=16",
    "--attention.glimpse_size=8",
    "--attention.mean_scale=0.35",
)
LAVAE = (
    "--model=lavae",
    "--lavae.strides=2",
    "--lavae.latent_dim=4",
    "--lavae.location_channels=4",
    "--lavae.appearance_channels=4",
    "--lavae.generator_channels=4",
    "--lavae.auxiliary_channels=4",
    "--lavae.auxiliary_latent_dim=2",
    "--lavae.inference_blocks=1",
    "--lavae.generator_blocks=1",
    "--lavae.generated_size=7",
    "--lavae.count_window=5",
    "--lavae.exclusion_radius=2",
    "--lavae.presence_weight=1",
    "--lavae.warm_up_steps=4",
    "--lavae.warm_up_decay_steps=4",
    "--lavae.location_learning_rate=1e-3",
)
# Those whose graphs take longest to trace: what traces them several times is for `make test-all`.
LARGE = ("lavae_pictures", "discrete_air")
# Name to flags.
MODELS = {
    "lavae": (
        *LAVAE,
        "--lavae.location_features=interpolated",
        "--lavae.patch_size=8",
        "--lavae.centering_weight=1",
        "--lavae.prunes",
        "--lavae.recenters",
        "--lavae.explains_away",
        "--lavae.appearance_mixture=2",
    ),
    "lavae_pictures": (
        *LAVAE,
        "--lavae.normalize",
        "--lavae.gamma=0.6",
        "--lavae.likelihood=gaussian",
        "--lavae.background=smooth",
        "--lavae.background_spacing=8",
        "--lavae.sprites=convex",
        "--lavae.merged_solidity=0.9",
        "--lavae.outline_slope=0.2",
        "--lavae.typical_share=0.5",
        "--lavae.forced_objects=1",
        "--lavae.faintest_object=0.01",
    ),
    "vae": ("--model=vae", "--vae.channels=4", "--vae.latent_channels=2", "--vae.kl_steps=10"),
    "air": ("--model=air", "--air.what_dim=4", "--attention.estimator=nvil", "--noattention.convolutional", *ATTENTION),
    "discrete_air": (
        "--model=discrete_air",
        "--discrete_air.pose=rotation_and_skew",
        "--discrete_air.num_attributes=1",
        "--discrete_air.attributes_by_category",
        "--discrete_air.normalize_attributes",
        "--discrete_air.num_rotations=6",
        "--discrete_air.matching_weight=1",
        "--discrete_air.matching_first_step=0",
        "--discrete_air.invariance_weight=1",
        "--discrete_air.invariance_heads=2",
        "--discrete_air.num_fine_categories=5",
        "--discrete_air.merging_step=2",
        "--discrete_air.invariance_first_step=0",
        "--attention.looks_at=unexplained",
        "--attention.guesses=3",
        *ATTENTION,
    ),
}
# With these flags an untrained model finds much, whether or not it gains anything.
FINDS_MUCH = ("--attention.prunes=false", "--lavae.prunes=false", "--lavae.count_threshold=-9")
COMMON = (
    "--image_size=24",
    "--sprite_size=8",
    "--train_steps=100",
    "--steps_per_execution=1",
    "--learning_rate=1e-2",
    "--learning_rate_final=1e-2",
    "--max_inferred_objects=5",
    "--max_objects=2",
)


# Those for pictures as cameras take them, see `example_pictures`; the others' images are `example_images`.
FOR_PICTURES = ("lavae_pictures",)


def examples_for(name: str, count: int = 8) -> np.ndarray:
    """Fixed images of 24 x 24 such as a model is for: float32 `[count, 24, 24, 1]`, in steps of 1 / 255."""
    return example_pictures(count) if name in FOR_PICTURES else example_images(count)


def example_images(count: int = 8) -> np.ndarray:
    """Fixed images of 24 x 24 with up to two squares: float32 `[count, 24, 24, 1]`."""
    random = np.random.RandomState(0)
    images = np.zeros((count, 24, 24, 1), np.float32)
    for number, image in enumerate(images):
        for column in (0, 12)[: number % 3]:
            y, x = random.randint(0, 18), column + random.randint(0, 6)
            image[y : y + 6, x : x + 6] = 1.0
    return images


def example_pictures(count: int = 8) -> np.ndarray:
    """The same in grey, on ground that is brighter on the left, with noise; in every other picture dark on bright."""
    random = np.random.RandomState(1)
    pictures = 0.2 + 0.05 * np.linspace(1.0, 0.0, 24)[:, None] + 0.5 * example_images(count)
    pictures += random.normal(0.0, 0.01, pictures.shape)
    pictures[1::2] = 1.0 - pictures[1::2]
    return np.round(255.0 * pictures).astype(np.float32) / np.float32(255.0)
