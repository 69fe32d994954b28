"""Settings of how captions vary."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.fields import Settings, setting
from .circumstances import Circumstances


def _shuffles_captions(now: Circumstances) -> bool:
    return now.recipe.captions.caption_shuffle > 1


def _changes_tags(now: Circumstances) -> bool:
    return _shuffles_captions(now) or now.recipe.captions.tag_dropout > 0


@dataclass(frozen=True, kw_only=True)
class CaptionSettings(Settings):
    """How captions vary between steps."""

    title = "Captions"

    caption_dropout: float = setting(
        0.0, "Probability of dropping a caption, which keeps classifier-free guidance working. Usually 0 to 0.1.",
        minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip
    caption_shuffle: int = setting(
        0, "Number of random orders of each caption's tags; each is encoded once. Prose stays as it is. 0 keeps "
        "captions as written.",
        minimum=0, maximum=1000, used=_shuffles_captions, unused="below 2, as one order is the captions as written",
    )  # fmt: skip
    caption_keep: int = setting(
        1, "Tags at the start that caption_shuffle and tag_dropout leave in place, such as the trigger word. A ||| in "
        "a caption marks their end.",
        minimum=0, maximum=100, used=_changes_tags, unused="without caption_shuffle or tag_dropout",
    )  # fmt: skip
    tag_dropout: float = setting(
        0.0, "Probability of dropping each tag, so that none depends on the others. Tags with the trigger word stay. "
        "Usually 0 to 0.2.",
        minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip
    tag_separator: str = setting(
        "", "Where captions are split into tags, such as | or /. Empty: at commas of all scripts and line ends, and "
        "not in prose.",
        neutral="", used=_changes_tags, unused="without caption_shuffle or tag_dropout",
    )  # fmt: skip
    reference_dropout: float = setting(
        0.0, "Probability of hiding the picture before editing, for models that are guided by it. Half of the dropped "
        "captions lose it too. Usually 0.1 with a caption_dropout of 0.1 (arXiv:2211.09800), or 0 for both.",
        minimum=0, maximum=1, step=0.01, neutral=0.0, used=lambda now: now.drops_references,
        unused="without pairs, or on models that aren't guided by the picture",
    )  # fmt: skip
