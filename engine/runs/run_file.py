"""A training as a file: what ``lora-workbench train`` reads from TOML, declared as settings are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..captions.templates import MODES
from ..core.fields import Settings, build, problems_of, raise_all, setting, settings_of, unknown_setting
from ..core.precision import QUANTIZED
from ..core.toml_files import LARGEST_NUMBER, assign_all, is_table, read_toml
from ..core.words import did_you_mean
from ..data.buckets import CROPS
from ..data.goals import USUAL
from ..data.uncaptioned import UNCAPTIONED
from ..training.quality import QUALITIES
from ..training.recipe import GROUP_OF, GROUPS, problems_with

SINCE = "0.2"
LARGEST_SEED = LARGEST_NUMBER


def _named(value: str) -> str:
    return "" if value.strip() else "expected a name or a path"


@dataclass(frozen=True, kw_only=True)
class RunSection(Settings):
    """What stands at the top of the file, before any section."""

    title = "the run"

    name: str = setting("", "Name of the adapter in labels and files. Empty: the data set's name.", since=SINCE)
    seed: int = setting(0, "Seed of initial weights, order and noise.", since=SINCE, minimum=0, maximum=LARGEST_SEED)
    output: str = setting("output", "Folder for all results; --output replaces it.", since=SINCE, check=_named)


@dataclass(frozen=True, kw_only=True)
class BaseSection(Settings):
    """The base model."""

    title = "[base]"

    path: str = setting(
        "demo_base", "A diffusers folder or .safetensors checkpoint: a full path, or one from the file's folder or the "
        "working directory.",
        since=SINCE, check=_named,
    )  # fmt: skip
    device: str = setting(
        "auto", "Where it runs; each of several processes has a GPU of its own.", since=SINCE,
        choices=("auto", "cpu", "cuda", "mps"),
    )  # fmt: skip
    precision: str = setting(
        "auto", "How the frozen weights are stored.", since=SINCE, choices=("auto", "fp32", "bf16", "fp16", *QUANTIZED)
    )


@dataclass(frozen=True, kw_only=True)
class DatasetSection(Settings):
    """The training pictures."""

    title = "[dataset]"

    path: str = setting("", "Folder or .zip, as for Load Data Set.", since=SINCE, check=_named)
    on_unreadable: str = setting(
        "skip", "Damaged or oversized pictures: skip and list them, or refuse the data set.", since=SINCE,
        choices=("skip", "refuse"),
    )  # fmt: skip
    uncaptioned: str = setting("no caption", "Caption of pictures that have none.", since=SINCE, choices=UNCAPTIONED)


@dataclass(frozen=True, kw_only=True)
class TriggerSection(Settings):
    """The trigger word in captions; without this section they stay as they are."""

    title = "[trigger]"

    word: str = setting("", "Rare word that prompts will use for what the adapter learns.", since=SINCE, check=_named)
    class_word: str = setting("", "Class of the subject, such as dog.", since=SINCE)
    template: str = setting(
        "a photo of {trigger} {class}", "Caption of uncaptioned pictures, and prefix of captions without the trigger "
        "word.",
        since=SINCE,
    )  # fmt: skip
    mode: str = setting("prepend", "What the template does to captions.", since=SINCE, choices=MODES)
    folders: tuple[str, ...] = setting(
        (), 'Other trigger words for pictures in sub-folders, such as "cats: zwx, cat".', since=SINCE
    )


@dataclass(frozen=True, kw_only=True)
class BucketSection(Settings):
    """Training at the pictures' own aspect ratios; without this section they are cropped to squares."""

    title = "[buckets]"

    resolutions: tuple[int, ...] = setting(
        (), "Training resolutions; empty for the base model's.", since=SINCE, unit="pixels", minimum=1, maximum=8192
    )
    step: int = setting(
        64, "Bucket widths and heights are multiples of this; 8 for the demo base.", since=SINCE, unit="pixels",
        minimum=8, maximum=512,
    )  # fmt: skip
    max_aspect: float = setting(
        2.0, "Longer pictures are cropped to this aspect ratio.", since=SINCE, minimum=1, maximum=8
    )
    crop: str = setting("subject", "What crops are centered on.", since=SINCE, choices=CROPS)


@dataclass(frozen=True, kw_only=True)
class RegularizationSection(Settings):
    """Regularization pictures, collected or generated; without this section there are none."""

    title = "[regularization]"

    path: str = setting("", "Folder or .zip with pictures of the class; empty for none.", since=SINCE)
    prompts: tuple[str, ...] = setting(
        (), "Class prompts without the trigger word; empty for the template with the class word.", since=SINCE
    )
    count: int = setting(
        50, "Number of pictures; the base model generates those that the folder lacks.", since=SINCE, minimum=0,
        maximum=100_000,
    )  # fmt: skip
    seed: int = setting(0, "Seed of the first picture of each prompt.", since=SINCE, minimum=0, maximum=LARGEST_SEED)
    steps: int = setting(25, "Denoising steps.", since=SINCE, minimum=1, maximum=1000)
    guidance: float = setting(7.0, "How closely to follow the prompt.", since=SINCE, minimum=0, maximum=100)
    batch_size: int = setting(8, "Pictures to generate at once.", since=SINCE, minimum=1, maximum=256)


@dataclass(frozen=True, kw_only=True)
class SuggestionSection(Settings):
    """What the recipe is suggested for. Any setting of a recipe may stand beside these, or in its group's section, such
    as [recipe.optimizer], and replaces the suggested value."""

    title = "[recipe]"

    goal: str = setting("subject", "What to teach.", since=SINCE, choices=tuple(USUAL))
    quality: str = setting("standard", "How long to train.", since=SINCE, choices=QUALITIES)


@dataclass(frozen=True, kw_only=True)
class FileSection(Settings):
    """The adapter's file, below loras/ in the output folder."""

    title = "[save]"

    filename: str = setting("", "Name without extension; empty for the adapter's name.", since=SINCE)
    dtype: str = setting("float16", "dtype of the saved weights.", since=SINCE, choices=("float16", "float32"))
    private: bool = setting(
        False, "Leave captions, names of pictures, folders and base model out of the file.", since=SINCE
    )


@dataclass(frozen=True, kw_only=True)
class HostedSection(Settings):
    """For `train --on PROVIDER`, where a hosted trainer trains for money. Of the recipe it gets the steps alone."""

    title = "[hosted]"

    trainer: str = setting("", "The provider's name of what trains; empty for its usual one.", since=SINCE)
    destination: str = setting("", "For Replicate: a model of yours, as owner/model.", since=SINCE)
    price_limit: float = setting(
        0.0, "The most that it may cost, in the provider's currency; 0 for any price.", since=SINCE, minimum=0
    )
    inputs: tuple[str, ...] = setting(
        (), 'Further inputs of the trainer, by its own names: "lora_rank = 32". No secrets.', since=SINCE
    )


SECTIONS: Mapping[str, type[Settings]] = {
    "base": BaseSection,
    "dataset": DatasetSection,
    "trigger": TriggerSection,
    "buckets": BucketSection,
    "regularization": RegularizationSection,
    "recipe": SuggestionSection,
    "hosted": HostedSection,
    "save": FileSection,
}
"""Name of a section -> its settings."""
OPTIONAL = ("trigger", "buckets", "regularization")
"""Sections that do nothing where they are left out."""
REQUIRED: Mapping[str, Sequence[str]] = {"dataset": ("path",), "trigger": ("word",)}
"""Name of a section -> settings without a default."""


@dataclass(frozen=True, kw_only=True)
class RunFile:
    """A training as its file describes it."""

    run: RunSection
    base: BaseSection
    dataset: DatasetSection
    trigger: TriggerSection | None
    buckets: BucketSection | None
    regularization: RegularizationSection | None
    recipe: SuggestionSection
    hosted: HostedSection
    save: FileSection
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the recipe that replace the suggested ones, by name."""


def read_run(path: Path, assignments: Sequence[str] = ()) -> RunFile:
    """Read a file.

    Args:
        path: in TOML.
        assignments: of ``--set``, as ``section.name=value`` with a value in TOML; text needs no quotes.

    Raises:
        ConfigError: it can't be read, or has keys that are unknown or values that can't be used; all are listed.
    """
    values = read_toml(path, "docs/run.example.toml")
    problems = assign_all(values, assignments, home=_home)
    raise_all(problems, "--set")
    return run_of(values, str(path))


def run_of(values: Mapping[str, Any], where: str = "The run") -> RunFile:
    """A training from the values of a file.

    Raises:
        ConfigError: with one line for each key that is unknown and each value that can't be used.
    """
    tops = {name: value for name, value in values.items() if name not in SECTIONS}
    given = {name: values[name] for name in SECTIONS if name in values}
    misplaced = [f"{name}: got {value!r}, expected a section" for name, value in given.items() if not is_table(value)]
    tables = {name: dict(value) for name, value in given.items() if is_table(value)}
    settings, problems = _settings_in(tables.get("recipe", {}))
    problems += [*misplaced, *_problems("", RunSection, tops)]
    for name, section in SECTIONS.items():
        if name in tables or (name not in OPTIONAL and name not in given):
            problems += _problems(name, section, tables.get(name, {}))
    raise_all(problems, where)
    made: dict[str, Any] = {
        name: None if name in OPTIONAL and name not in tables else build(section, tables.get(name, {}), where=name)
        for name, section in SECTIONS.items()
    }
    return RunFile(run=build(RunSection, tops, where=where), settings=settings, **made)


def _home(values: dict[str, Any], sections: list[str], name: str) -> list[str]:
    """The sections of an assignment: of a setting of the recipe, where the file has it, or would have it; takes the
    setting out of there."""
    if name not in GROUP_OF or sections not in (["recipe"], ["recipe", GROUP_OF[name]]):
        return sections
    recipe, group = values.setdefault("recipe", {}), GROUP_OF[name]
    if not is_table(recipe):
        return ["recipe"]
    if not is_table(recipe.get(name)):
        recipe.pop(name, None)
    return ["recipe", group] if is_table(recipe.get(group)) else ["recipe"]


def _settings_in(table: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(settings of a recipe by name, what is wrong with them); takes them out of the table."""
    settings, problems = {}, []
    groups = {name: table.pop(name) for name in GROUPS if is_table(table.get(name))}
    for group, values in [("", {name: table.pop(name) for name in list(table) if name in GROUP_OF}), *groups.items()]:
        for name, value in values.items():
            if group and GROUP_OF.get(name, group) != group:
                problems.append(f"[recipe.{group}] {name}: belongs to [recipe.{GROUP_OF[name]}]")
            elif name in settings:
                problems.append(f"[recipe] {name}: given twice")
            elif name not in GROUP_OF:
                known = settings_of(GROUPS[group])
                problems.append(f"[recipe.{group}] {unknown_setting(name, known, GROUPS[group].title)}")
            else:
                settings[name] = value
    return settings, [*problems, *(f"[recipe] {problem}" for problem in problems_with(settings))]


def _problems(name: str, section: type[Settings], values: Mapping[str, Any]) -> Iterator[str]:
    """One line for each key of a section that is unknown, and each value that can't be used."""
    known, start = settings_of(section), f"[{name}] " if name else ""
    for key in values:
        if key not in known:
            yield f"{start}{key}: {_where_it_belongs(key, [*known, *_also_in(name)])}"
    asked = dict.fromkeys(REQUIRED.get(name, ()), "") | {key: value for key, value in values.items() if key in known}
    yield from (start + problem for problem in problems_of(section, asked))


def _also_in(section: str) -> Sequence[str]:
    """What may stand in a section beside its own settings."""
    return {"recipe": [*GROUP_OF, *GROUPS], "": list(SECTIONS)}.get(section, ())


def _where_it_belongs(key: str, known: Sequence[str]) -> str:
    """What to say of an unknown key: where it belongs, or the nearest one."""
    homes = [f"[{name}]" for name, section in SECTIONS.items() if key in settings_of(section)]
    if key in GROUP_OF:
        homes.append("[recipe]")
    if key in settings_of(RunSection):
        homes.append("the top of the file")
    return f"belongs to {' or '.join(homes)}" if homes else f"unknown{did_you_mean(key, known)}"
