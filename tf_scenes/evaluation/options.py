"""Options of evaluation, generation, editing and experiments."""

import dataclasses
from typing import Optional

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class EvaluationOptions(Options, affects_training=False):
    """What is done with a trained model."""

    evaluation_batch_size: int = option(100, "Images in a batch of evaluation; changes the speed only.", lower=1)
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
    canvas_objects: int = option(20, "Most objects on the canvases of --mode=canvases.", lower=1)
    scene_path: Optional[str] = option(
        None,
        "A scene script, such as configs/scenes/four_shapes.txt: --mode=generate then draws the scene that it "
        "describes. Models with categories only.",
    )
    edit_path: Optional[str] = option(
        None, "An edit script, such as those in configs/edits: --mode=edit makes its edits."
    )
    edit_images: Optional[str] = option(
        None, "An .npz with images (N x H x W [x C]) to edit. Default: the first test images with enough objects."
    )
    edit_models: Optional[str] = option(
        None, "Folder with an exported encoder/ and decoder/ to edit with. Default: the trained model of --run_dir."
    )
    num_edited: int = option(6, "Most images that --mode=edit edits.", lower=1)

    def canvas_sides(self) -> list[int]:
        """`canvas_sizes` as numbers."""
        return [int(word) for word in self.canvas_sizes.split(",")]

    def check(self) -> None:
        """See `Options.check`."""
        words = self.canvas_sizes.split(",")
        if not all(word.strip().isdecimal() and int(word) >= 8 for word in words):
            raise UserError(f"--canvas_sizes={self.canvas_sizes} must be whole numbers from 8 on with commas between")
