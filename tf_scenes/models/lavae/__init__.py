"""LAVAE: a VAE that disentangles where objects are from what they look like."""

from tf_scenes.models.entry import ModelEntry
from tf_scenes.models.lavae.options import LavaeOptions, check

ENTRY = ModelEntry(
    name="lavae",
    options=(LavaeOptions,),
    model="tf_scenes.models.lavae.model:LAVAE",
    summary="LAVAE: how many objects, where each is (a pixel), and what each looks like (a Gaussian vector).",
    limits=(
        "Pixels are taken for binary, objects for bright things apart from each other on a black ground.",
        "Locations are whole pixels; a location is a fixed point of an object, not always its middle.",
        "Any image size works, objects should be about as large as in training.",
    ),
    check=check,
)
