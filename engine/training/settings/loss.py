"""Settings of the loss and of prior preservation."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.fields import Settings, setting
from .circumstances import Circumstances


def _has_prior(now: Circumstances) -> bool:
    return now.has_prior


def _has_masks(now: Circumstances) -> bool:
    return now.has_masks


def _is_told_guidance(now: Circumstances) -> bool:
    return "guidance_input" in now.capabilities and now.recipe.loss.contrastive_guidance == 1


@dataclass(frozen=True, kw_only=True)
class LossSettings(Settings):
    """How prediction errors are weighted."""

    title = "Loss"

    snr_gamma: float = setting(
        5.0, "Gamma of min-SNR loss weighting (arXiv:2303.09556). Usually 5; 0 turns it off. No effect on flow models.",
        minimum=0, maximum=1000, step=0.5, neutral=0.0, used=lambda now: not now.is_flow,
        unused="on flow models",
    )  # fmt: skip
    training_guidance: float = setting(
        1.0, "Guidance that the base model is told while training, where it takes guidance as an input, as FLUX.1 dev "
        "does. Usually 1, whatever pictures are generated with later.",
        minimum=0, maximum=100, step=0.1, neutral=1.0, used=_is_told_guidance,
        unused="on base models that don't take guidance as an input, nor with contrastive_guidance",
    )  # fmt: skip
    contrastive_guidance: float = setting(
        1.0, "For base models that guidance was distilled into: targets are moved away from the prediction without a "
        "prompt by this factor, so that pictures keep their contrast. Usually 3 to 4 there, at 1.5 times the time; 1 "
        "turns it off.",
        minimum=1, maximum=100, step=0.5, neutral=1.0,
    )  # fmt: skip

    @property
    def told_guidance(self) -> float:
        """What base models are told that take guidance as an input: that of the targets, as in ai-toolkit."""
        return self.training_guidance if self.contrastive_guidance == 1 else self.contrastive_guidance


@dataclass(frozen=True, kw_only=True)
class PriorSettings(Settings):
    """Prior preservation: regularization pictures (DreamBooth, arXiv:2208.12242), or the base model as the teacher."""

    title = "Prior preservation"

    prior_weight: float = setting(
        1.0, "Weight of the loss on regularization pictures (DreamBooth's lambda). Usually 1.", minimum=0, maximum=100,
        step=0.05, used=_has_prior, unused="without regularization pictures",
    )  # fmt: skip
    prior_batch_size: int = setting(
        1, "Regularization pictures per batch, in addition to batch_size.", minimum=1, maximum=1024, used=_has_prior,
        unused="without regularization pictures",
    )  # fmt: skip
    output_preservation: float = setting(
        0.0, "Weight of keeping what the base model makes of the captions with the class word in place of the trigger "
        "word. Needs a class word, no pictures, and about twice the time. Usually 1 to 2; 0 turns it off.",
        since="0.2", minimum=0, maximum=100, step=0.05, neutral=0.0,
    )  # fmt: skip
    blank_preservation: float = setting(
        0.0, "Weight of keeping what the base model makes of the empty prompt, at about twice the time. Usually 1; 0 "
        "turns it off.",
        since="0.2", minimum=0, maximum=100, step=0.05, neutral=0.0,
    )  # fmt: skip
    mask_preservation: float = setting(
        0.0, "Weight of keeping what the base model makes of the area outside masks, which is otherwise free to change "
        "as it may. Usually 1; 0 turns it off.",
        since="0.2", minimum=0, maximum=100, step=0.05, neutral=0.0, used=_has_masks, unused="without masks",
    )  # fmt: skip

    @property
    def preserves(self) -> bool:
        """Whether the base model is the teacher of anything."""
        return bool(self.output_preservation or self.blank_preservation or self.mask_preservation)

    @property
    def preserved_prompts(self) -> int:
        """How many prompts beside its own a picture is shown to the base model with."""
        return bool(self.output_preservation) + bool(self.blank_preservation)

    @property
    def preservation_in_words(self) -> str:
        """The settings that make the base model the teacher, with their values."""
        names = ("output_preservation", "blank_preservation", "mask_preservation")
        return ", ".join(f"{name} = {getattr(self, name):g}" for name in names if getattr(self, name))
