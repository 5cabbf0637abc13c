"""Training options."""

import dataclasses

from typing_extensions import override

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class TrainingOptions(Options):
    """The length of training, its optimiser, and what is written in the course of it."""

    train_steps: int = option(200_000, "Number of optimisation steps of training.", lower=1)
    batch_size: int = option(
        64, "Number of images per training step, over all devices together. LAVAE's paper: 64.", lower=1, upper=65_536
    )
    learning_rate: float = option(
        1e-3,
        "Initial learning rate: of Adamax for LAVAE and VAE (paper: 1e-3), of Adam for the other models (paper: 1e-4).",
        lower=1e-9,
    )
    learning_rate_final: float = option(
        1e-3,
        "Learning rate at the last step; the learning rate falls linearly over the last 40 % of the steps. Papers: "
        "constant.",
        lower=0.0,
    )
    precision: str = option(
        "float32",
        "Data type that networks compute in; distributions, KL terms and losses always use float32. mixed_bfloat16 is "
        "for CPUs and GPUs that support it; mixed_float16, with dynamic loss scaling, for older GPUs.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    gradient_clip_norm: float = option(
        0.0,
        "Global norm to which the gradients of each optimiser are clipped; 0 for no clipping. LAVAE's paper: 0.",
        lower=0.0,
    )
    steps_per_report: int = option(
        1_000,
        "Number of training steps between two reports; each report prints results, saves a checkpoint and measures "
        "held-out scenes.",
        lower=1,
    )
    steps_per_execution: int = option(
        10, "Number of training steps that TensorFlow runs per call from Python.", lower=1, upper=100_000
    )
    report_size: int = option(
        512,
        "Number of held-out scenes measured every --steps_per_report training steps.",
        lower=1,
        affects_training=False,
    )
    calibration_size: int = option(
        2_000,
        "Number of training images on which the model is calibrated after the last step (LAVAE: its threshold for "
        "counting objects); 0 leaves it as it was trained. LAVAE's paper: 0.",
        lower=0,
    )
    keep_checkpoints: int = option(3, "Number of newest checkpoints that are kept.", lower=1, affects_training=False)

    @override
    def check(self) -> None:
        if self.steps_per_report % self.steps_per_execution:
            raise UserError("--steps_per_report must be a multiple of --steps_per_execution")
        if self.learning_rate_final > self.learning_rate:
            raise UserError("--learning_rate_final must not be above --learning_rate")
