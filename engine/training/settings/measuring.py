"""Settings of what is measured beside the training."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.fields import Settings, setting


@dataclass(frozen=True, kw_only=True)
class MeasuringSettings(Settings):
    """What is measured during training, and on which pictures. Pictures that are held out aren't trained on, and
    early_stop decides how many steps there are; the rest doesn't affect the result."""

    title = "Measuring"

    measures: bool = setting(
        False, "Measure every snapshot and the finished adapter: the loss at fixed noise, drift of prompts without the "
        "trigger word and, with pictures held out, memorisation. It takes about a tenth of the time more.",
        since="0.2", keyed=False,
    )  # fmt: skip
    held_out: float = setting(
        0.0, "Share of the pictures that is kept out of the training, to measure on: representative ones, never a copy "
        "of a training picture. Usually 0.1 to 0.25; 0 holds none out.",
        since="0.2", minimum=0, maximum=0.5, step=0.05, keyed=False,
    )  # fmt: skip
    held_out_pictures: tuple[str, ...] = setting(
        (), "Names of the pictures to keep out of the training, one per line, in place of a share. Copies of them are "
        "kept out too.",
        since="0.2", keyed=False,
    )  # fmt: skip

    early_stop: int = setting(
        0, "Ends the training when this many snapshots in a row leave the verdict as it is: the same one to use, or "
        "over-fitting. Usually 3; 0 takes all steps. For a constant learning rate: with one that comes down, the last "
        "steps teach much.",
        since="0.2", minimum=0, maximum=1000, neutral=0,
    )  # fmt: skip

    @property
    def holds_out(self) -> bool:
        """Whether any pictures are kept out of the training."""
        return bool(self.held_out or self.held_out_pictures)

    @property
    def in_words(self) -> str:
        """The settings that aren't at their defaults, as names and values; empty if all are."""
        told = {
            "measures": "true" if self.measures else "",
            "held_out": f"{self.held_out:g}" if self.held_out else "",
            "held_out_pictures": ", ".join(self.held_out_pictures),
            "early_stop": str(self.early_stop or ""),
        }
        return " and ".join(f"{name} = {value}" for name, value in told.items() if value)
