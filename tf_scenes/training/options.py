"""Options of training."""

import dataclasses

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class TrainingOptions(Options):
    """The length of training, its optimiser, and what is written while it lasts."""

    train_steps: int = option(200_000, "Optimisation steps.", lower=1)
    batch_size: int = option(64, "Images in the batch of one step, of all devices together. Paper: 64.", lower=1)
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
        0.0,
        "The gradients of each optimiser are scaled down to this global norm; 0 leaves them. Paper: 0.",
        lower=0.0,
    )
    steps_per_report: int = option(
        1_000, "Steps between two lines of progress, checkpoints and evaluations on held-out scenes.", lower=1
    )
    steps_per_execution: int = option(10, "Steps that run in TensorFlow between two calls from Python.", lower=1)
    report_size: int = option(
        512, "Held-out scenes that each of those evaluations uses.", lower=1, affects_training=False
    )
    calibration_size: int = option(
        2_000, "Training images on which the model is calibrated after the last step (LAVAE: how it counts).", lower=1
    )
    keep_checkpoints: int = option(3, "How many checkpoints are kept.", lower=1, affects_training=False)

    def check(self) -> None:
        """See `Options.check`."""
        if self.steps_per_report % self.steps_per_execution:
            raise UserError("--steps_per_report must be a multiple of --steps_per_execution")
        if self.learning_rate_final > self.learning_rate:
            raise UserError("--learning_rate_final must not be above --learning_rate")
