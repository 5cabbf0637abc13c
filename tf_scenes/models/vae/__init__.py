"""The VAE baseline of LAVAE's paper: no objects, one spatial tensor of latents."""

from tf_scenes.models.entry import ModelEntry
from tf_scenes.models.vae.options import VaeOptions, check, schedule_ends

ENTRY = ModelEntry(
    name="vae",
    options=(VaeOptions,),
    model="tf_scenes.models.vae.model:VAE",
    summary="LAVAE's VAE baseline describes an image by a spatial tensor of Gaussian latents, without objects.",
    limits=("It does not find objects.", "Images are padded to multiples of 8 pixels."),
    check=check,
    schedule_ends=schedule_ends,
    faster_in_bfloat16=True,
)
