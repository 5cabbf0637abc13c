"""Options of the exported models."""

import dataclasses
from typing import Optional

from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class ServingOptions(Options, affects_training=False):
    """Options of the exported models."""

    keep_versions: int = option(3, "Number of versions of an exported model kept, the newest included.", lower=1)
    max_image_side: int = option(
        2_048,
        "Maximum height and width in pixels of an image that an exported model takes or draws.",
        lower=8,
        upper=65_536,
    )
    export_weights: str = option(
        "float32",
        "Type in which exported models keep their weights: float32, or float16, which takes half the space. What they "
        "compute in does not change.",
        choices=("float32", "float16"),
    )
    export_onnx: bool = option(
        False,
        "Whether ONNX files are exported beside the SavedModels, for runtimes other than TensorFlow. They need the "
        "packages tf2onnx and onnx.",
    )
    export_note: Optional[str] = option(
        None, "A sentence about the model, which is exported with it as part of its card."
    )
    warm_up_images: Optional[int] = option(
        None,
        "Number of images in the warm-up requests exported with a model for TensorFlow Serving; 0 for no requests. "
        "Requests need the package tensorflow-serving-api. Default: 2, or 0 where that package is not installed.",
        lower=0,
        upper=64,
    )

    def notes(self) -> list[str]:
        """What the model card says of the export."""
        notes = [] if self.export_note is None else [self.export_note]
        if self.export_weights != "float32":
            notes.append(
                f"Exported weights are kept in {self.export_weights}; the numbers are those of float32 weights."
            )
        return notes
