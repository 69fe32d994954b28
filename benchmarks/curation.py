"""What a polluted data set costs, and what curation brings back: the fox of the demo, three times.

    python benchmarks/curation.py --packages NODE_MODULES [--steps 400] [--out FILE]

The demo's 16 pictures are polluted with blurred ones, copies and other subjects under the fox's captions. An adapter is
trained on the clean set, on the polluted one, and on what ``LW_CurateDataset`` keeps of it, and measured as the demo's
adapters are (``assets/make/evaluate_adapters.py``, which needs the pictures that ``assets/make/README.md`` names).
Without ``--packages`` only the pollution and the report are shown.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lora_workbench.engine.captions.templates import apply_trigger
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from lora_workbench.engine.inspection.curation import DROPPED, curate
from lora_workbench.engine.inspection.inspector import inspect
from lora_workbench.engine.inspection.report import Inspection
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "assets" / "make"))
from damage import rehued  # noqa: E402

DATASETS = ROOT / "assets" / "datasets"
BLURRED, COPIED, WRONG = 8, 8, 5
TRIGGER = TriggerWord(word="zwx", class_word="", template="an emoji of a {trigger} animal")


def polluted(clean: Dataset, others: Dataset) -> tuple[Dataset, list[str]]:
    """The data set with pollution, and the names of what was added.

    Args:
        clean: pictures of the subject.
        others: pictures of other subjects; they get captions of ``clean``.
    """
    added = [
        *_added(clean, "blurred", range(BLURRED), _out_of_focus),
        *_added(clean, "copy", range(BLURRED, BLURRED + COPIED), lambda image: rehued(image, 15).resize((72, 72))),
    ]
    for number in range(WRONG):
        image = others.records[number * 5].load()
        added.append((f"wrong {number}.png", image, clean.records[number].caption))
    names, images, captions = zip(*added, strict=True)
    extra = dataset_from_images(list(images), list(captions), "pollution")
    records = [
        replace(r, source=replace(r.source, name=name))  # type: ignore[type-var]
        for r, name in zip(extra, names, strict=True)
    ]
    return replace(clean, name=f"{clean.name}, polluted", records=(*clean.records, *records)), list(names)


def _added(clean: Dataset, kind: str, numbers: range, change: Any) -> list[tuple[str, Image.Image, str | None]]:
    chosen = [clean.records[number % len(clean)] for number in numbers]
    return [(f"{kind} {n}.png", change(r.load()), r.caption) for n, r in enumerate(chosen)]


def _out_of_focus(image: Image.Image) -> Image.Image:
    from PIL import ImageFilter, ImageOps

    return ImageOps.mirror(image).filter(ImageFilter.GaussianBlur(min(image.size) / 24))


def result(events: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def named(inspection: Inspection) -> set[str]:
    """Pictures with flags, and those that flags call the originals of copies."""
    flagged = {r.name for r, p in zip(inspection.dataset, inspection.pictures, strict=True) if p.flags}
    return flagged | {flag.of for picture in inspection.pictures for flag in picture.flags if flag.of}


def sets() -> tuple[dict[str, Dataset], Inspection, list[str]]:
    """The clean, the polluted and the curated set, the polluted one's inspection, and what was added to it."""
    clean = load_dataset(DATASETS / "fox")
    dirty, added = polluted(clean, load_dataset(DATASETS / "riso"))
    inspection = result(inspect(dirty, side=64))
    kept = curate(inspection, flaws=DROPPED | {"odd"}).kept
    return {"clean": clean, "polluted": dirty, "curated": kept}, inspection, added


def measured(data: Dataset, packages: Path, steps: int, seeds: int) -> dict[str, float]:
    """Train on a set and measure how close the adapter's pictures are to the subject."""
    from evaluate_adapters import Artist, measure_subject
    from lora_workbench.engine.models.registry import load_base
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.suggestions import suggest

    base = load_base(ROOT / "assets" / "demo_base", device="cpu", precision="fp32")
    captioned = apply_trigger(data, TRIGGER, "prepend")
    recipe = suggest("subject", len(data), base.info).changed(steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        events = train_adapter(base, captioned, recipe, seed=0, store=RunStore(Path(folder)), name=data.name)
        trained = result(events)
        figures, *_ = measure_subject(Artist(base, seeds, 3.0), trained.adapter, packages)
    return {which: figures[which]["adapter"] for which in ("data_set", "held_out")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="the folder node_modules")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--only", choices=["clean", "polluted", "curated"], help="train on this set alone")
    parser.add_argument("--out", type=Path, help="JSON file for the figures; those of other sets in it are kept")
    args = parser.parse_args()
    data, inspection, added = sets()
    print(inspection.text())
    found = named(inspection)
    print(f"\nnamed: {len(found & set(added))} of {len(added)} added pictures")
    kept = [record.name for record in data["curated"]]
    print(f"kept after curation: {len(kept)} pictures, {sum(name in added for name in kept)} of them added ones")
    if not args.packages:
        return
    figures = json.loads(args.out.read_text()) if args.out and args.out.exists() else {}
    for name in [args.only] if args.only else list(data):
        figures[name] = measured(data[name], args.packages, args.steps, args.seeds)
        print(name, figures[name], flush=True)
        if args.out:
            args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
