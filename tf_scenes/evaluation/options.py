"""Options of evaluation, generation, editing and experiments."""

import dataclasses
from collections.abc import Sequence
from typing import Optional

from typing_extensions import override

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class EvaluationOptions(Options, affects_training=False):
    """Options of what is done with a trained model."""

    evaluation_batch_size: int = option(
        100, "Number of images per evaluation batch; affects speed and memory only.", lower=1, upper=65_536
    )
    evaluated_splits: Optional[str] = option(
        None,
        "Comma-separated held-out splits that --mode=evaluate measures, such as validation. Default: all of them.",
    )
    max_inferred_objects: int = option(
        12,
        "Maximum number of objects that the model finds in one image, in evaluation and in the exported encoder.",
        lower=1,
        upper=10_000,
    )
    num_generated: int = option(64, "Number of scenes that --mode=generate draws.", lower=1, upper=100_000)
    generated_max_objects: Optional[int] = option(
        None,
        "Maximum number of objects in scenes that --mode=generate draws, where every number from 0 to this one is "
        "equally likely. Default: numbers of objects from the learned prior.",
        lower=1,
        upper=10_000,
    )
    experiment_size: int = option(
        1_000,
        "Number of images that an experiment uses: the first ones of each held-out split with --mode=likelihood and "
        "--mode=disentanglement, new scenes for each canvas size with --mode=canvases, or new scenes of one object "
        "with --mode=factors, whose probes are fitted on four times as many; with --mode=likeness, number of objects.",
        lower=1,
    )
    experiment_size_many_objects: Optional[int] = option(
        None,
        "Number of images that --mode=likelihood and --mode=disentanglement use of a held-out split with more objects "
        "than in training, such as test_7. Default: --experiment_size.",
        lower=1,
    )
    importance_samples: int = option(
        100,
        "Number of samples of the importance-weighted bound of --mode=likelihood. LAVAE's paper: 100.",
        lower=1,
        upper=1_000_000,
    )
    canvas_sizes: str = option("96,128", "Comma-separated sides of the canvases of --mode=canvases in pixels.")
    canvas_objects: int = option(20, "Maximum number of objects on a canvas of --mode=canvases.", lower=1, upper=10_000)
    scene_path: Optional[str] = option(
        None,
        "Scene script, such as configs/scenes/four_shapes.txt, whose scene --mode=generate draws instead of scenes "
        "from the prior. Only for models with categories.",
    )
    edit_path: Optional[str] = option(
        None, "Edit script, such as those in configs/edits, whose edits --mode=edit makes."
    )
    edit_images: Optional[str] = option(
        None,
        "Images for --mode=edit: an .npz file with an array 'images' (N x H x W [x C]). Default: the first images of "
        "--edit_split with enough objects.",
    )
    edit_split: str = option(
        "test", "Held-out split whose images --mode=edit edits, such as test_7; --edit_images has others."
    )
    edit_models: Optional[str] = option(
        None,
        "Folder of the exported encoder/ and decoder/ that --mode=edit uses. Default: the trained model of --run_dir.",
    )
    num_edited: int = option(6, "Maximum number of images that --mode=edit edits.", lower=1, upper=10_000)

    def num_images(self, split_name: str) -> int:
        """The number of images that an experiment uses of a held-out split."""
        if split_name == "test" or self.experiment_size_many_objects is None:
            return self.experiment_size
        return self.experiment_size_many_objects

    def canvas_sides(self) -> list[int]:
        """The numbers in `canvas_sizes`."""
        return [int(word) for word in self.canvas_sizes.split(",")]

    def splits_among(self, held_out: Sequence[str]) -> list[str]:
        """The splits in `evaluated_splits`.

        Args:
            held_out: Names of the data set's held-out splits.

        Raises:
            UserError: If one is not among them.
        """
        names = [word.strip() for word in (self.evaluated_splits or ",".join(held_out)).split(",")]
        unknown = [name for name in names if name not in held_out]
        if unknown:
            raise UserError(
                f"--evaluated_splits={self.evaluated_splits} names '{unknown[0]}': held-out splits of this data set "
                f"are {', '.join(held_out)}"
            )
        return names

    @override
    def check(self) -> None:
        words = self.canvas_sizes.split(",")
        if not all(word.strip().isdecimal() and len(word) < 10 and 8 <= int(word) <= 4_096 for word in words):
            raise UserError(
                f"--canvas_sizes={self.canvas_sizes} must be whole numbers from 8 to 4096, separated by commas"
            )
