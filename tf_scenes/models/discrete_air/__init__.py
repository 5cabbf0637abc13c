"""Discrete-AIR: Attend-Infer-Repeat with discrete categories."""

from tf_scenes.models import air
from tf_scenes.models.air.options import AttentionOptions
from tf_scenes.models.discrete_air.options import DiscreteAirOptions, check, schedule_ends
from tf_scenes.models.entry import ModelEntry

ENTRY = ModelEntry(
    name="discrete_air",
    options=(AttentionOptions, DiscreteAirOptions),
    model="tf_scenes.models.discrete_air.model:DiscreteAIR",
    summary="Discrete-AIR finds one object after another, each with a position, a size, a rotation and a category.",
    limits=(
        *air.ENTRY.limits,
        "Categories are only numbers: `category_names` in report.json says which label each of them stands for.",
    ),
    check=check,
    schedule_ends=schedule_ends,
)
