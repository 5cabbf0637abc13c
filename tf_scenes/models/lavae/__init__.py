"""LAVAE: a VAE that disentangles the locations of objects from their appearance."""

from tf_scenes.models.entry import ModelEntry
from tf_scenes.models.lavae.options import LavaeOptions, check, largest_object, limits, schedule_ends

ENTRY = ModelEntry(
    name="lavae",
    options=(LavaeOptions,),
    model="tf_scenes.models.lavae.model:LAVAE",
    summary="LAVAE infers the number of objects, and each one's location (a pixel) and appearance (a Gaussian vector).",
    limits=limits,
    check=check,
    schedule_ends=schedule_ends,
    largest_object=largest_object,
    faster_in_bfloat16=True,
)
