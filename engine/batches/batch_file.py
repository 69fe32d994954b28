"""A batch as a file: what ``lora-workbench generate`` reads from TOML, declared as settings are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapters.stack import Stack
from ..core.errors import ConfigError
from ..core.fields import Settings, build, problems_of, raise_all, setting, settings_of
from ..core.toml_files import LARGEST_NUMBER, assign_all, is_table, read_toml
from ..core.words import did_you_mean
from ..generation.prompts import all_prompts
from ..runs.run_file import BaseSection
from .axes import KINDS
from .jobs import Job
from .making import Given, make_axis
from .sweep import Sweep, all_jobs
from .texts import Find, stacks

SINCE = "0.3"
_FILE_KINDS = tuple(kind for kind in KINDS if kind != "snapshot")


def _named(value: str) -> str:
    return "" if value.strip() else "expected a name"


@dataclass(frozen=True, kw_only=True)
class BatchSection(Settings):
    """What stands at the top of the file, before any section."""

    title = "the batch"

    name: str = setting("batch", "Folder of the batch, below batches in the output folder.", since=SINCE, check=_named)
    output: str = setting("output", "Folder for all results; --output replaces it.", since=SINCE, check=_named)


@dataclass(frozen=True, kw_only=True)
class PicturesSection(Settings):
    """What all pictures have in common, and their prompts and seeds."""

    title = "[pictures]"

    prompts: tuple[str, ...] = setting((), "Prompts; none if a sweep has them.", since=SINCE)
    templates: bool = setting(
        False, "Whether prompts are templates: {a|b}, __wildcards__, ${variables}, in all combinations.", since=SINCE
    )
    negative_prompt: str = setting("", "What to avoid; needs a guidance above 1.", since=SINCE)
    seed: int = setting(0, "Seed of each prompt's first picture.", since=SINCE, minimum=0, maximum=LARGEST_NUMBER)
    seeds_per_prompt: int = setting(
        1, "Pictures per prompt, with consecutive seeds.", since=SINCE, minimum=1, maximum=1024
    )
    steps: int = setting(25, "Denoising steps.", since=SINCE, minimum=1, maximum=1000)
    guidance: float = setting(7.0, "How closely to follow the prompt.", since=SINCE, minimum=0, maximum=100)
    width: int = setting(0, "0 for the base model's resolution.", since=SINCE, unit="pixels", minimum=0, maximum=8192)
    height: int = setting(0, "0 for the base model's resolution.", since=SINCE, unit="pixels", minimum=0, maximum=8192)
    batch_size: int = setting(8, "Pictures to draw at once.", since=SINCE, minimum=1, maximum=256)
    stack: str = setting("", "Adapters that all pictures have, such as style:0.6.", since=SINCE)


@dataclass(frozen=True, kw_only=True)
class SweepSection(Settings):
    """One axis of the batch."""

    title = "[[sweep]]"

    axis: str = setting("", "What to vary.", since=SINCE, choices=_FILE_KINDS)
    values: str = setting("", "Its values, as in the node Sweep; a list stands for one a line.", since=SINCE)
    no_adapter: bool = setting(True, "Begin without adapter, or at weight 0.", since=SINCE)
    adapter: str = setting("", "Whose weight is swept.", since=SINCE)


@dataclass(frozen=True, kw_only=True)
class BatchFile:
    """A batch as its file describes it."""

    batch: BatchSection
    base: BaseSection
    pictures: PicturesSection
    lists: Mapping[str, Sequence[str]]
    """Wildcards by name, for templates."""
    sweeps: tuple[SweepSection, ...]
    given: frozenset[str] = frozenset()
    """Fields of jobs that the file says something of: what it leaves out stays as it is in somebody's own graph."""

    def prompts(self, wildcards: Sequence[Path]) -> tuple[str, ...]:
        """The prompts, with templates expanded.

        Args:
            wildcards: folders with wildcard files.

        Raises:
            ConfigError: a template can't be read, or has too many combinations.
        """
        if not (self.pictures.templates and self.pictures.prompts):
            return self.pictures.prompts
        return tuple(all_prompts(self.pictures.prompts, self.lists, wildcards))

    def jobs(self, find: Find, wildcards: Sequence[Path]) -> list[Job]:
        """The pictures that are wanted.

        Args:
            find: reads an adapter by the name of its file.
            wildcards: folders with wildcard files.

        Raises:
            ConfigError: a value of a sweep can't be read, or the batch is too large.
            AdapterError: an adapter is missing or damaged.
        """
        sweep, own = Sweep(), self.pictures
        for one in self.sweeps:
            given = Given(kind=one.axis, text=one.values, adapter=one.adapter, without=one.no_adapter)
            sweep = sweep.adding(make_axis(given, find))
        entries = tuple(entry for column in stacks(own.stack, find) for entry in column)
        common = Job(
            negative_prompt=own.negative_prompt, steps=own.steps, guidance=own.guidance, width=own.width,
            height=own.height, stack=Stack(entries),
        )  # fmt: skip
        seeds = [own.seed + number for number in range(own.seeds_per_prompt)]
        return all_jobs(sweep, common, self.prompts(wildcards), seeds)


def read_batch(path: Path, assignments: Sequence[str] = ()) -> BatchFile:
    """Read a file.

    Args:
        path: in TOML.
        assignments: of ``--set``, as ``section.name=value`` with a value in TOML; text needs no quotes.

    Raises:
        ConfigError: it can't be read, or has keys that are unknown or values that can't be used; all are listed.
    """
    values = read_toml(path, "docs/batch.example.toml")
    raise_all(assign_all(values, assignments), "--set")
    return batch_of(values, str(path))


_TABLES: Mapping[str, type[Settings]] = {"base": BaseSection, "pictures": PicturesSection}


def batch_of(values: Mapping[str, Any], where: str = "The batch") -> BatchFile:
    """A batch from the values of a file.

    Raises:
        ConfigError: with one line for each key that is unknown and each value that can't be used.
    """
    tops = {name: value for name, value in values.items() if name not in (*_TABLES, "lists", "sweep")}
    tables = {name: values.get(name, {}) for name in (*_TABLES, "lists")}
    sweeps = [_as_text(one) for one in _listed(values.get("sweep", []))]
    problems = [f"{name}: got {value!r}, expected a section" for name, value in tables.items() if not is_table(value)]
    problems += _problems("", BatchSection, tops)
    for name, section in _TABLES.items():
        problems += _problems(f"[{name}] ", section, tables[name])
    for number, one in enumerate(sweeps, 1):
        problems += _problems(f"[[sweep]] {number}: ", SweepSection, {"axis": "", **one} if is_table(one) else one)
    problems += _list_problems(tables["lists"])
    raise_all(problems, where)
    pictures = build(PicturesSection, tables["pictures"], where="pictures")
    if tables["lists"] and not pictures.templates:
        raise ConfigError(
            f"{where} has [lists], and prompts aren't templates.", expected="templates = true in [pictures]",
            hint="set it, or remove [lists].",
        )  # fmt: skip
    return BatchFile(
        batch=build(BatchSection, tops, where=where),
        base=build(BaseSection, tables["base"], where="base"),
        pictures=pictures,
        lists={name: tuple(map(str, listed)) for name, listed in tables["lists"].items()},
        sweeps=tuple(build(SweepSection, one, where="sweep") for one in sweeps),
        given=_given(tables["pictures"], [one.get("axis", "") for one in sweeps]),
    )


_FIELDS: Mapping[str, Sequence[str]] = {
    "prompts": ("prompt",), "prompt": ("prompt",), "replace in prompt": ("prompt",), "size": ("width", "height"),
    "negative prompt": ("negative_prompt",), "seeds_per_prompt": ("seed",),
    **{name: (name,) for name in ("negative_prompt", "seed", "steps", "guidance", "width", "height")},
}  # fmt: skip
"""Name in [pictures], or axis -> fields of jobs."""


def _given(pictures: Mapping[str, Any], axes: Sequence[str]) -> frozenset[str]:
    """Sizes of 0 are the model's own, which a graph has itself."""
    unsized = {name for name in ("width", "height") if pictures.get(name) == 0}
    named = [name for name in pictures if name not in unsized]
    return frozenset(field for name in (*named, *axes) for field in _FIELDS.get(name, ()))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _as_text(sweep: Any) -> Any:
    """A sweep whose values are text, one a line, whether they were a list, a number or text."""
    if not is_table(sweep) or "values" not in sweep:
        return sweep
    return {**sweep, "values": "\n".join(map(str, _listed(sweep["values"])))}


def _problems(start: str, section: type[Settings], values: Any) -> Iterator[str]:
    """One line for each key that is unknown, and each value that can't be used."""
    if not is_table(values):
        yield f"{start}got {values!r}, expected a table"
        return
    known = settings_of(section)
    yield from (f"{start}{key}: unknown{did_you_mean(key, known)}" for key in values if key not in known)
    fitting = {key: value for key, value in values.items() if key in known}
    yield from (start + problem for problem in problems_of(section, fitting))


def _list_problems(lists: Any) -> Iterator[str]:
    for name, values in lists.items() if is_table(lists) else ():
        if not isinstance(values, list) or not values:
            yield f"[lists] {name}: got {values!r}, expected a list of texts"
