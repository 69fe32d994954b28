"""The recipe: every setting of a training run, in groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..core.fields import Settings, build, defaults_of, problems_of, raise_all, settings_of, unknown_setting
from .settings import (
    AdapterSettings,
    BatchSettings,
    CaptionSettings,
    Circumstances,
    LossSettings,
    MeasuringSettings,
    MemorySettings,
    NoiseSettings,
    OptimizerSettings,
    PriorSettings,
    SampleSettings,
    SavingSettings,
    ScheduleSettings,
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train: every setting, in groups."""

    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    batches: BatchSettings = field(default_factory=BatchSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    prior: PriorSettings = field(default_factory=PriorSettings)
    captions: CaptionSettings = field(default_factory=CaptionSettings)
    samples: SampleSettings = field(default_factory=SampleSettings)
    saving: SavingSettings = field(default_factory=SavingSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    measuring: MeasuringSettings = field(default_factory=MeasuringSettings)
    reason: str = ""
    """Why these values, for people."""

    def __post_init__(self) -> None:
        raise_all(contradictions(self), "The recipe")

    @staticmethod
    def of(**settings: Any) -> Recipe:
        """A recipe with these settings, given by name regardless of group, and defaults for the others.

        Raises:
            ConfigError: with one line for each setting that is unknown or invalid.
        """
        return Recipe().changed(**settings)

    def changed(self, **settings: Any) -> Recipe:
        """This recipe with some settings changed.

        Raises:
            ConfigError: with one line for each setting that is unknown or invalid.
        """
        raise_all(problems_with(settings), "The recipe")
        settings, changes = in_full(settings), {}
        for group, cls in GROUPS.items():
            if given := {name: value for name, value in settings.items() if GROUP_OF[name] == group}:
                changes[group] = build(cls, vars(getattr(self, group)) | given, where=cls.title)
        return replace(self, **changes)

    def flat(self) -> dict[str, Any]:
        """Name -> value of each setting."""
        return {name: getattr(getattr(self, group), name) for name, group in GROUP_OF.items()}

    def learning_rates(self, steps: int) -> list[float]:
        """The denoiser's learning rate at each of the first ``steps`` steps."""
        return [self.optimizer.learning_rate * self.schedule.factor(step) for step in range(steps)]

    def starts_alike(self, steps: int, done: int) -> bool:
        """Whether a run to another number of steps has had the same learning rates in its first ``done`` steps."""
        return self.changed(steps=steps).learning_rates(done) == self.learning_rates(done)

    def keyed(self, circumstances: Circumstances) -> dict[str, Any]:
        """Name -> value of each setting that affects the trained weights, apart from ``steps``.

        Settings that are neutral or have no effect are left out, so that adding a setting changes no existing key.
        """
        values = self.flat()
        return {
            name: values[name]
            for group, cls in GROUPS.items()
            for name, declared in settings_of(cls).items()
            if declared.counts(values[name], circumstances)
        }


GROUPS: Mapping[str, type[Settings]] = {
    f.name: f.default_factory  # type: ignore[misc]
    for f in fields(Recipe)
    if f.name != "reason"
}
"""Field of the recipe -> class of its settings."""

GROUP_OF: Mapping[str, str] = {name: group for group, cls in GROUPS.items() for name in settings_of(cls)}
"""Name of a setting, unique across groups -> field of the recipe."""


_DEFAULTS: Mapping[str, Any] = {name: value for cls in GROUPS.values() for name, value in defaults_of(cls).items()}
_WORDS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    name: declared.words for cls in GROUPS.values() for name, declared in settings_of(cls).items() if declared.words
}
"""Name of a setting -> its words, with the settings that they stand for."""


def in_full(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those that words stand for in the place of the words: ``learning_rate = auto`` is ``rate_search =
    range_test``. A value in a word's place sets these to their defaults, unless they are given too."""
    full = dict(settings)
    for name, meanings in _WORDS.items():
        if name not in settings:
            continue
        if (meant := _meant(name, settings[name])) is not None:
            del full[name]
            full |= meant
        else:
            full = {other: _DEFAULTS[other] for meaning in meanings.values() for other in meaning} | full
    return full


def _meant(name: str, value: Any) -> Mapping[str, Any] | None:
    """The settings that a word stands for; ``None`` if the value is no such word."""
    return _WORDS.get(name, {}).get(value) if isinstance(value, str) else None


def problems_with(settings: Mapping[str, Any]) -> list[str]:
    """One line for each setting that is unknown or invalid, whatever its group."""
    problems = []
    for name, value in settings.items():
        if (meant := _meant(name, value)) is not None:
            problems += [
                f"{name} and {other}: got {value} and {settings[other]}, expected {wanted} with {value}, or a number"
                for other, wanted in meant.items()
                if settings.get(other, wanted) != wanted
            ]
        elif name in GROUP_OF:
            problems += problems_of(GROUPS[GROUP_OF[name]], {name: value})
        else:
            problems.append(unknown_setting(name, GROUP_OF, "the recipe"))
    return problems


def lacking(recipe: Recipe) -> list[str]:
    """One line for each setting without which another one can't do anything. Nodes may set it later, so only a whole
    recipe is asked."""
    measuring, problems = recipe.measuring, []
    if measuring.early_stop and not measuring.measures:
        problems.append(
            f"early_stop and measures: got {measuring.early_stop} and false, expected measures = true, which it goes "
            "by, or early_stop = 0"
        )
    if measuring.early_stop and not recipe.saving.takes_snapshots:
        problems.append(
            f"early_stop: got {measuring.early_stop} without snapshots, which it compares: expected snapshot_every, "
            "snapshot_epochs or snapshot_steps, or early_stop = 0"
        )
    return problems


def contradictions(recipe: Recipe) -> list[str]:
    """One line for each pair of settings of different groups that can't be had together."""
    problems = []
    if recipe.memory.compile and recipe.adapter.noisy_rank:
        problems.append(
            f"noisy_rank and compile: got {recipe.adapter.noisy_rank} and true, expected noisy_rank = 0 or compile = "
            "false, as compiled blocks can't tell the pictures' noise levels"
        )
    if recipe.measuring.held_out and (names := recipe.measuring.held_out_pictures):
        problems.append(
            f"held_out and held_out_pictures: got {recipe.measuring.held_out:g} and {len(names)} names, expected a "
            "share or names, not both"
        )
    return problems
