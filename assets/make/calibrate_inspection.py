"""How well the inspection tells clean photographs from damaged ones; the source of the figures in docs/inspection.md.

    python assets/make/calibrate_inspection.py --packages FOLDER [--others PYTHON] [--out FILE]

The photographs of ``photographs.py`` are damaged by ``damage.py`` and measured as a data set is. Every second one, by
name, is the half that the limits in ``engine/inspection/flags.py`` were chosen on; the figures are of the other half.
``--others`` names a Python that has cleanvision and imagededup, which then judge the same pictures.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from damage import COPIES, DAMAGES, Damage
from lora_workbench.engine.core.hashing import bytes_hash
from lora_workbench.engine.data.dataset import ImageRecord
from lora_workbench.engine.data.images import probe
from lora_workbench.engine.data.sources import MemorySource
from lora_workbench.engine.inspection.duplicates import duplicate_groups, similarity
from lora_workbench.engine.inspection.flags import Limits, flags_of
from lora_workbench.engine.inspection.measures import Measures, measure
from lora_workbench.engine.inspection.signature import Signature, signature
from lora_workbench.engine.inspection.views import views
from measuring import table, write_json
from other_inspectors import judged_by_others
from photographs import fetch, files, photograph
from PIL import Image

LIMITS = Limits()
SIDE = 512
FALSE_SHARE = 0.05

Margins = dict[str, float]
"""Kind -> how far a picture is from being flagged: negative where it is."""


def margins(m: Measures) -> Margins:
    """Each measure beside its limit; of two measures of one kind, the worse. What can't be measured isn't flagged."""
    edges, evenness = np.nan_to_num(m.sharpness, nan=1.0)
    finest, idle = np.nan_to_num(m.detail, nan=0.0)
    return {
        "blurred": min(edges / LIMITS.edges, max(evenness / LIMITS.evenness, edges * evenness / LIMITS.edges)) - 1,
        "upscaled": min(1 - finest / LIMITS.finest, 1 - idle / LIMITS.idle),
        "dark": m.exposure.highlights / LIMITS.highlights - 1,
        "bright": 1 - m.exposure.clipped / LIMITS.clipped,
        "compressed": 1 - m.blockiness / LIMITS.blockiness,
        "noisy": 1 - m.noise / LIMITS.noise,
        "border": 1 - m.borders.area / LIMITS.border,
    }


def measured(image: Image.Image) -> tuple[Measures, set[str]]:
    """Measures and flags of a picture, against a training at its own size where it is smaller than ``SIDE``."""
    return measured_file(stored(image), image.size)


def measured_file(data: bytes, size: tuple[int, int]) -> tuple[Measures, set[str]]:
    """The same of an encoded picture."""
    source, side = MemorySource("one", data), min(SIDE, *size)
    record = ImageRecord(source=source, content_hash=bytes_hash(data), width=size[0], height=size[1])
    found = measure(record, side)
    return found, {flag.kind for flag in flags_of(record, found, side, LIMITS)}


def signed(image: Image.Image) -> Signature:
    """What the inspection compares of a picture."""
    return signature(views(stored(image), "copy", SIDE).thumb)


def stored(image: Image.Image) -> bytes:
    """An uncompressed file."""
    buffer = io.BytesIO()
    image.save(buffer, "BMP")
    return buffer.getvalue()


def auc(clean: list[float], damaged: list[float]) -> float:
    """Chance that a damaged picture has a lower value than a clean one."""
    a, b = np.asarray(clean), np.asarray(damaged)[:, None]
    return float(((b < a) + 0.5 * (b == a)).mean())


class Judged:
    """One photograph: measures of it, of its file as it is, of its damaged copies, and of its near-duplicates."""

    def __init__(self, name: str, path: Path) -> None:
        image, data = photograph(path), path.read_bytes()
        self.name = name
        self.clean, self.flags = measured(image)
        self.file_flags = measured_file(data, probe(data, name))[1]
        self.damaged = {damage: measured(apply(image)) for damage, apply in _damages()}
        self.copies = {copy: signed(apply(image)) for copy, apply in COPIES.items()}


def _damages() -> Iterator[tuple[str, Damage]]:
    for listed in DAMAGES.values():
        yield from listed.items()


def flaws(judged: list[Judged]) -> list[dict]:
    """For each kind and damage: AUC and the share that is flagged, as this kind and at all."""
    clean = [margins(one.clean) for one in judged]
    rows = []
    for kind, listed in DAMAGES.items():
        for damage in listed:
            found = [one.damaged[damage] for one in judged]
            rows.append({
                "kind": kind,
                "damage": damage,
                "auc": auc([m[kind] for m in clean], [margins(m)[kind] for m, _ in found]),
                "flagged": float(np.mean([kind in flags for _, flags in found])),
                "flagged_at_all": float(np.mean([bool(flags) for _, flags in found])),
            })  # fmt: skip
    return rows


def false_flags(flags: dict[str, set[str]]) -> dict[str, list[str]]:
    """Kind -> the clean photographs that have it, of each photograph's flags."""
    kinds = sorted(set().union(*flags.values()))
    return {kind: [name for name, found in flags.items() if kind in found] for kind in kinds}


def copies(judged: list[Judged], compare: Callable[[Signature, Signature], float] = similarity) -> list[dict]:
    """For each sort of copy: AUC against pairs of different photographs, and the share that is recognized."""
    originals = [one.clean.signature for one in judged]
    different = [-compare(a, b) for i, a in enumerate(originals) for b in originals[:i]]
    rows = []
    for copy in COPIES:
        pairs = [(one.clean.signature, one.copies[copy]) for one in judged]
        rows.append({
            "copy": copy,
            "auc": 1 - auc([-d for d in different], [compare(a, b) for a, b in pairs]),
            "recognized": float(np.mean([len(duplicate_groups([a, b])) == 1 for a, b in pairs])),
        })  # fmt: skip
    return rows


def spread(judged: list[Judged]) -> str:
    """What the limits are chosen by: the raw measures of clean and of damaged photographs."""
    readings: dict[str, tuple[str, Callable[[Measures], float]]] = {
        "edges": ("blurred", lambda m: m.sharpness.edges),
        "evenness": ("blurred", lambda m: m.sharpness.evenness),
        "finest": ("upscaled", lambda m: m.detail.finest),
        "idle": ("upscaled", lambda m: m.detail.idle),
        "highlights": ("dark", lambda m: m.exposure.highlights),
        "clipped": ("bright", lambda m: m.exposure.clipped),
        "contrast": ("flat", lambda m: m.exposure.contrast),
        "blockiness": ("compressed", lambda m: m.blockiness),
        "noise": ("noisy", lambda m: m.noise),
        "border": ("border", lambda m: m.borders.area),
    }
    points = (0, 3, 5, 10, 50, 90, 95, 97, 100)
    rows = []
    for name, (kind, read) in readings.items():
        sets = {"clean": [read(one.clean) for one in judged]}
        for damage in DAMAGES.get(kind, {}):
            sets[damage] = [read(one.damaged[damage][0]) for one in judged]
        rows += [[name, what, *(f"{v:.3f}" for v in np.nanpercentile(values, points))] for what, values in sets.items()]
    return table(["measure", "pictures", *(f"{p} %" for p in points)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="folder to fetch the packages into")
    parser.add_argument("--others", type=Path, help="a Python with cleanvision and imagededup")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--spread", action="store_true", help="show the measures of the half that limits are chosen on")
    args = parser.parse_args()
    fetch(args.packages)
    found = files(args.packages)
    with ThreadPoolExecutor(2) as threads:
        judged = list(threads.map(lambda item: Judged(*item), sorted(found.items())))
    chosen_on, held_out = judged[::2], judged[1::2]
    if args.spread:
        print(spread(chosen_on))
    result: dict = {"photographs": len(judged)}
    for name, half in (("chosen_on", chosen_on), ("held_out", held_out)):
        result[name] = {
            "flaws": flaws(half),
            "false_flags": false_flags({one.name: one.flags for one in half}),
            "false_flags_of_files": false_flags({one.name: one.file_flags for one in half}),
            "copies": copies(half),
        }
        _show(name, half, result[name])
    if args.out:
        write_json(args.out, result)
    if args.others:
        result["others"] = judged_by_others(args.others, {one.name: photograph(found[one.name]) for one in held_out})
        print(json.dumps(result["others"], indent=1))
        if args.out:
            write_json(args.out, result)


def _show(name: str, half: list[Judged], figures: dict) -> None:
    rows = [[r["kind"], r["damage"], f"{r['auc']:.3f}", f"{r['flagged']:.0%}", f"{r['flagged_at_all']:.0%}"]
            for r in figures["flaws"]]  # fmt: skip
    rows += [["duplicate", r["copy"], f"{r['auc']:.4f}", f"{r['recognized']:.0%}", ""] for r in figures["copies"]]
    print(f"\n{name}: {len(half)} photographs", file=sys.stdout)
    print(table(["kind", "damage", "AUC", "flagged as such", "flagged at all"], rows))
    for which, words in (("false_flags", "clean ones"), ("false_flags_of_files", "their files as they are")):
        wrong = {one for names in figures[which].values() for one in names}
        print(f"{words}: {len(wrong)} of {len(half)} flagged: {figures[which]}")


if __name__ == "__main__":
    main()
