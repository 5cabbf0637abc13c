"""The models that every conformance test runs through, each in a size for tests."""

import numpy as np

ATTENTION = (
    "--attention.units=24",
    "--attention.encoder_units=16",
    "--attention.decoder_units=16",
    "--attention.glimpse_size=8",
    "--attention.mean_scale=0.35",
)
# Name to flags; the images are those of `example_images`.
MODELS = {
    "lavae": (
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
    ),
    "vae": ("--model=vae", "--vae.channels=4", "--vae.latent_channels=2", "--vae.kl_steps=10"),
    "air": ("--model=air", "--air.what_dim=4", "--attention.estimator=nvil", "--noattention.convolutional", *ATTENTION),
    "discrete_air": (
        "--model=discrete_air",
        "--discrete_air.pose=rotation_and_skew",
        "--discrete_air.num_attributes=1",
        "--discrete_air.num_rotations=6",
        "--discrete_air.matching_weight=1",
        "--discrete_air.matching_first_step=0",
        "--discrete_air.invariance_weight=1",
        "--discrete_air.invariance_heads=2",
        "--discrete_air.invariance_first_step=0",
        *ATTENTION,
    ),
}
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


def example_images(count: int = 8) -> np.ndarray:
    """Fixed images of 24 x 24 with up to two squares: float32 `[count, 24, 24, 1]`."""
    random = np.random.RandomState(0)
    images = np.zeros((count, 24, 24, 1), np.float32)
    for number, image in enumerate(images):
        for column in (0, 12)[: number % 3]:
            y, x = random.randint(0, 18), column + random.randint(0, 6)
            image[y : y + 6, x : x + 6] = 1.0
    return images
