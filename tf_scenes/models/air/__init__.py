"""AIR, the baseline of Discrete-AIR's paper, and the loop over objects that both models share."""

from tf_scenes.models.air.options import AirOptions, AttentionOptions
from tf_scenes.models.entry import ModelEntry

ENTRY = ModelEntry(
    name="air",
    options=(AttentionOptions, AirOptions),
    model="tf_scenes.models.air.model:AIR",
    summary="AIR: one object after another, each with position, size and a Gaussian vector for what it looks like.",
    limits=(
        "Objects are found one after another, so accuracy falls with every object more than in training.",
        "Other image sizes are scaled to the one trained on, with all that is in them.",
    ),
)
