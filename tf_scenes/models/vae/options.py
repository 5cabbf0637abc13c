"""Options of the VAE baseline."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class VaeOptions(Options, section="vae"):
    """Options of the VAE baseline: Appendix B of LAVAE's paper, "Baseline implementation"."""

    channels: int = option(
        64,
        "Number of channels of the inner layers of the VAE's encoder and decoder. Paper: about 1M parameters in total.",
        lower=1,
        upper=4_096,
    )
    latent_channels: int = option(16, "Number of channels of the VAE's spatial latent tensor.", lower=1, upper=4_096)
    kl_steps: int = option(
        100_000,
        "Number of steps over which beta, the weight of the VAE's KL term, rises linearly from 0 to 1. Paper: 100,000.",
        lower=0,
    )


def check(config: Any) -> None:
    """Checks that no option needs a model that finds objects.

    Args:
        config: Configuration, a `Config`.

    Raises:
        UserError: If an option does.
    """
    if config.evaluation.generated_max_objects is not None:
        raise UserError("--generated_max_objects needs a model that finds objects: --model=vae does not")


def schedule_ends(config: Any) -> Mapping[str, int]:
    """The last steps of the VAE's schedules, by flags."""
    return {"--vae.kl_steps": config.model_options["vae"].kl_steps}
