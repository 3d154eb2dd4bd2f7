"""Which plan belongs to which settings."""

from __future__ import annotations

from evovae.runs.evolutions.evolution import EvolutionPlan
from evovae.runs.illuminations.illumination import IlluminationPlan
from evovae.runs.searching import Plan
from evovae.runs.settings import EvolutionSettings, IlluminationSettings, SearchSettings

PLANS: dict[type[SearchSettings], type[Plan]] = {
    EvolutionSettings: EvolutionPlan,
    IlluminationSettings: IlluminationPlan,
}
"""By the settings of a run."""
