"""Collects what the report of a run shows: from the adapter's header, the run store and the data set."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..adapters.adapter import Adapter
from ..core.errors import AdapterError, ConfigError, DatasetError
from ..core.events import Event, Progress
from ..core.paths import portable
from ..core.words import counted
from ..data.dataset import Dataset, ImageRecord
from ..evaluation.sample_verdict import judged
from ..runs.measuring import kept_course, kept_figures
from ..runs.record import read_record
from ..runs.sample_files import KeptSamples, kept_samples
from ..runs.store import RunStore
from ..training.recipe import Recipe
from .grid import grid_of
from .measures import measures, measures_of_pictures
from .page import Curve, Picture, Pictures, RunPage, Sample, Samples, SampleStep, Verdict
from .recipe import recipe_groups
from .samples import LONGEST, shown_steps

MOST_PICTURES = 200
"""Of the data set. The others are counted."""
MOST_SAMPLES = 24
"""Steps whose sample pictures are shown."""
_THUMBNAIL = 192


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of a run, read from where it is kept."""

    metadata: Mapping[str, str]
    recipe: Recipe | None
    """``None`` if it has settings that this version doesn't know."""
    settings: Mapping[str, Any]
    lineage: str
    """Empty if the adapter's file doesn't tell."""
    record: Mapping[str, Any]
    """As in ``runs/record.py``; empty if the run store doesn't have the run."""

    @property
    def steps(self) -> int:
        """Those of the recipe, or what it has had of them if it ended early."""
        losses = self.record.get("losses", ())
        return len(losses) if self.record.get("ended_early") else int(self.settings.get("steps", len(losses)))

    def parsed(self, field: str, otherwise: Any) -> Any:
        """As :func:`_parsed`, of the header."""
        return _parsed(self.metadata, field, otherwise)


def page_of(adapter: Adapter, store: RunStore, dataset: Dataset | None = None) -> Generator[Event, None, RunPage]:
    """What the report of an adapter's run shows. Texts of it hold no absolute paths.

    Args:
        adapter: trained here; its header has recipe, captions, losses, versions and the graph.
        store: where its sample pictures are, with exact losses, times and notes.
        dataset: its training pictures, for thumbnails.

    Raises:
        AdapterError: it wasn't trained here.
        DatasetError: it wasn't trained on any of the pictures, or one can't be read.
    """
    known = _known(adapter, store)
    losses = _losses(known)
    pictures = yield from _pictures(known, dataset)
    samples = _samples(known, store)
    figures = kept_figures(store, known.lineage, known.recipe) if known.lineage and known.recipe else ()
    course = kept_course(store, known.lineage, known.steps) if known.lineage else None
    found = judged(figures, course)
    return RunPage(
        title=adapter.name,
        subtitle=_subtitle(adapter, known),
        steps=known.steps,
        resumed_at=int(known.record.get("resumed_at", 0)),
        seconds=known.record.get("seconds"),
        trigger=adapter.trigger,
        verdict=Verdict(text=f"Best: step {found.best}.", reasons=found.reasons) if found else None,
        picked=found.best if found else None,
        measures=[*measures(figures), *(measures_of_pictures(course) if course else ())],
        grid=grid_of(course, store) if course else None,
        losses=losses,
        parts={name: _numbered(values) for name, values in known.record.get("parts", {}).items()},
        learning_rates=_rates(known),
        samples=samples,
        pictures=pictures,
        recipe=recipe_groups(portable(known.settings), known.record.get("suggestions", {})),
        reason=portable(str(known.record.get("reason", ""))),
        notes=[portable(str(note)) for note in known.record.get("notes", [])],
        facts=_facts(known),
        hashes=_hashes(adapter, known),
        graph=_graph(known),
    )


def _known(adapter: Adapter, store: RunStore) -> _Known:
    metadata = adapter.metadata
    if "lw.recipe" not in metadata:
        raise AdapterError(
            f"{adapter.name} has no recipe in its file, so there is no run to report.",
            expected="an adapter that was trained by LoRA Workbench",
            hint="connect the adapter of LW_TrainLoRA, or give a file that LW_SaveAdapter has written.",
        )
    settings, lineage = _parsed(metadata, "lw.recipe", {}), metadata.get("lw.lineage", "")
    recipe = None
    with contextlib.suppress(ConfigError):  # of another version
        recipe = Recipe.of(**settings)
    record = read_record(store.record(lineage, recipe.schedule.steps)) if lineage and recipe else {}
    return _Known(metadata=metadata, recipe=recipe, settings=settings, lineage=lineage, record=record)


def _parsed(metadata: Mapping[str, str], field: str, otherwise: Any) -> Any:
    """The JSON value of a field; ``otherwise`` if there is none, or one of another type."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(metadata.get(field, ""))
        return value if isinstance(value, type(otherwise)) else otherwise
    return otherwise


def _subtitle(adapter: Adapter, known: _Known) -> str:
    base = known.metadata.get("ss_sd_model_name", "")
    return f"{adapter.description}{f', on {base}' if base else ''}"


def _losses(known: _Known) -> Curve:
    """Of each step from the run store; else those of the header, which are means over stretches of a long run."""
    if losses := known.record.get("losses"):
        return _numbered(losses)
    return [(float(step), float(loss)) for step, loss in known.parsed("lw.losses", [])]


def _numbered(values: Sequence[float]) -> Curve:
    return [(float(step), float(value)) for step, value in enumerate(values, 1)]


def _rates(known: _Known) -> Curve:
    recipe = known.recipe
    return _numbered(recipe.learning_rates(known.steps)) if recipe else []


def _samples(known: _Known, store: RunStore) -> Samples | None:
    if not (known.lineage and known.recipe):
        return None
    kept = {samples.step: samples for samples in kept_samples(store, known.lineage, known.recipe)}
    steps = shown_steps([*kept], MOST_SAMPLES)
    return Samples(steps=[_opened(kept[step]) for step in steps], left_out=len(kept) - len(steps)) if kept else None


def _opened(kept: KeptSamples) -> SampleStep:
    from PIL import Image

    samples = []
    for prompt, file in zip(kept.prompts, kept.files, strict=True):
        with Image.open(file) as image:
            image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)  # so that none is held at its full size
            samples.append(Sample(prompt=prompt, image=image.convert("RGB")))
    return SampleStep(step=kept.step, samples=samples)


def _pictures(known: _Known, dataset: Dataset | None) -> Generator[Event, None, Pictures | None]:
    """The pictures that the header lists, with thumbnails of those that the data set has too."""
    listed = [entry for entry in known.parsed("lw.dataset", []) if isinstance(entry, dict)]
    found = {record.content_hash: record for record in dataset or ()}
    lost = [str(entry.get("name")) for entry in listed if entry.get("sha256") not in found]
    if dataset is not None and listed and len(lost) == len(listed):
        raise DatasetError(
            f"None of the {counted(len(listed), 'picture')} that it was trained on is in {dataset.name}.",
            expected="the data set that the adapter was trained on",
            hint="connect that one, or none: the report then lists captions without pictures.",
        )
    shown = []
    for entry in listed[:MOST_PICTURES]:
        shown.append(_picture(entry, found.get(entry.get("sha256", ""))))
        yield Progress(done=len(shown), total=len(listed[:MOST_PICTURES]), label="drawing thumbnails")
    if not shown:
        return None
    note = f"{counted(len(lost), 'picture')} of it can't be found any more." if dataset and lost else ""
    return Pictures(name=_dataset_name(known, dataset), shown=shown, count=len(listed), note=note)


def _picture(entry: Mapping[str, Any], record: ImageRecord | None) -> Picture:
    marks = [
        *(["mask"] if record and record.mask and record.mask.weighs else []),
        *(["pair"] if entry.get("reference") else []),
    ]
    thumbnail = record.load(at_least=_THUMBNAIL) if record else None
    if thumbnail:
        thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL))  # so that pictures aren't held at full size
    return Picture(
        name=str(entry.get("name", "")), caption=str(entry.get("caption") or ""), repeats=int(entry.get("repeats", 1)),
        marks=marks, image=thumbnail,
    )  # fmt: skip


def _dataset_name(known: _Known, dataset: Dataset | None) -> str:
    names = [*known.parsed("ss_tag_frequency", {})]
    return dataset.name if dataset else names[0] if names else "data set"


def _facts(known: _Known) -> dict[str, str]:
    record, metadata = known.record, known.metadata
    seconds, steps = record.get("seconds"), len(record.get("losses", ())) - record.get("resumed_at", 0)
    versions = known.parsed("lw.versions", {})
    facts = {
        "Length": record.get("length", ""),
        "Time": f"{seconds / steps:.2g} s a step, everything included" if seconds and steps > 0 else "",
        "Device": record.get("device", ""),
        "Memory": record.get("memory", "").removeprefix("memory: "),
        "Base model": _base(known),
        "Seed": metadata.get("lw.seed", ""),
        "Ended": metadata.get("modelspec.date", "").replace("T", " ").replace("Z", " UTC"),
        "Suggested weight": metadata.get("lw.suggested_weight", ""),
        "Companions": ", ".join(_companion(found) for found in known.parsed("lw.companions", [])),
        "Learning rate": _search(known.parsed("lw.rate_search", {})),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return {name: portable(str(value)) for name, value in facts.items() if value}


def _base(known: _Known) -> str:
    family, name = known.metadata.get("lw.family", ""), known.metadata.get("ss_sd_model_name", "")
    return f"{name} ({family})" if name and family else name or family


def _companion(found: Mapping[str, Any]) -> str:
    return f"{found.get('name', 'another adapter')} ({found.get('role', '')}, weight {found.get('weight', 1)})"


def _search(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    return f"{found['learning_rate']:g}, found by {counted(found['steps'], 'trial step')}"


def _hashes(adapter: Adapter, known: _Known) -> dict[str, str]:
    metadata = known.metadata
    hashes = {
        "Adapter": adapter.content_hash,
        "Base model": metadata.get("lw.base_hash", ""),
        "Data set": metadata.get("lw.dataset_hash", ""),
        "Run": known.lineage,
    }
    return {name: digest for name, digest in hashes.items() if digest}


def _graph(known: _Known) -> str:
    """The graph as the canvas has it, else as the server has it; empty if the header has none."""
    graph = known.parsed("workflow", {}) or known.parsed("prompt", {})
    return json.dumps(portable(graph), ensure_ascii=False) if graph else ""
