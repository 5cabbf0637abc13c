"""Options of the exported models."""

import dataclasses

from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class ServingOptions(Options, affects_training=False):
    """The exported models."""

    keep_versions: int = option(3, "Versions of an exported model that stay, the newest included.", lower=1)
    max_image_side: int = option(
        1_024, "Largest height and width of an image that an exported model takes or draws, pixels.", lower=8
    )
    warm_up_images: int = option(
        2, "Images in the requests that TensorFlow Serving warms a model up with; 0 leaves them out.", lower=0, upper=64
    )
