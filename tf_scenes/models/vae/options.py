"""The VAE's options: Appendix B of LAVAE's paper, "Baseline implementation"."""

import dataclasses
from typing import Any

from tf_scenes.errors import UserError
from tf_scenes.options import Options, option


@dataclasses.dataclass(frozen=True)
class VaeOptions(Options, section="vae"):
    """The VAE baseline: Appendix B of LAVAE's paper, "Baseline implementation"."""

    channels: int = option(64, "Channels inside encoder and decoder. Paper: about 1M parameters in all.", lower=1)
    latent_channels: int = option(16, "Latents at each place of the latent tensor.", lower=1)
    kl_steps: int = option(
        100_000, "Steps over which beta, the weight of the KL, rises from 0 to 1, linearly. Paper: 100,000.", lower=0
    )


def check(config: Any) -> None:
    """Refuses what only a model that finds objects can do.

    Args:
        config: a `Config`.

    Raises:
        UserError: it asks for such a thing.
    """
    if config.evaluation.generated_max_objects is not None:
        raise UserError("--generated_max_objects needs a model that finds objects: --model=vae does not")
