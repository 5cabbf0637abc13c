"""LAVAE: a VAE that disentangles the locations of objects from their appearance."""

from tf_scenes.models.entry import ModelEntry
from tf_scenes.models.lavae.options import LavaeOptions, check, largest_object, schedule_ends

ENTRY = ModelEntry(
    name="lavae",
    options=(LavaeOptions,),
    model="tf_scenes.models.lavae.model:LAVAE",
    summary="LAVAE infers the number of objects, and each one's location (a pixel) and appearance (a Gaussian vector).",
    limits=(
        "Pixels are modelled as binary, and objects as separate bright shapes on a black background.",
        "Locations are whole pixels; a location is a fixed point of an object, not always its centre.",
        "Any image size works, but objects should be about as large as in training.",
    ),
    check=check,
    schedule_ends=schedule_ends,
    largest_object=largest_object,
)
