"""AIR, the baseline of Discrete-AIR's paper, and the loop over objects that AIR and Discrete-AIR share."""

from tf_scenes.models.air.options import AirOptions, AttentionOptions, schedule_ends
from tf_scenes.models.entry import ModelEntry

ENTRY = ModelEntry(
    name="air",
    options=(AttentionOptions, AirOptions),
    model="tf_scenes.models.air.model:AIR",
    summary="AIR finds one object after another, each with a position, a size and a Gaussian vector of its appearance.",
    limits=(
        "Objects are found one after another, so accuracy falls with every object more than there were in training.",
        "Images of other sizes are scaled to the training size, objects included.",
    ),
    schedule_ends=schedule_ends,
)
