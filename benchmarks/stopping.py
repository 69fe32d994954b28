"""Does the verdict on a run pick a good snapshot, and tell over-fitting? Ten trainings on art new to the base.

    npm install --prefix build/emoji emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 \\
        @lobehub/fluent-emoji-3d@1.1.0
    python benchmarks/stopping.py --packages build/emoji/node_modules       all that is missing, for an hour
    python benchmarks/stopping.py                                           the table of what has been measured

Five subjects and five styles, 3 to 24 training pictures, ten snapshots each. Three runs are made to over-fit: few
pictures, many steps at a constant rate, nothing that keeps the class. The yardstick is the distance of drawn pictures
to true ones that nobody trained on, in the feature space of ``assets/make/features.py``, which the verdict doesn't
know; by 16 pictures a snapshot it wavers by some 10 %, by 64 by some 5 %. What has been measured is kept in
``teaching/stopping.json``, where the tests of the verdict read it too.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "assets" / "make"))

import evaluate_adapters as evaluation
import numpy as np
from lora_workbench.engine.core.seeds import derived_seed
from lora_workbench.engine.evaluation.figures import Figures, PictureFigures
from lora_workbench.engine.evaluation.verdict import verdict
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.suggestions import suggest
from measuring import table, write_json
from teaching import looks
from teaching.figures import Bench, result_of
from teaching.sets import SETS, TRIGGER, Style, Subject

RESULTS = Path(__file__).parent / "teaching" / "stopping.json"
SNAPSHOTS = 10


@dataclass(frozen=True)
class Course:
    """A training to judge."""

    taught: Subject | Style
    trained: int
    """Pictures that are trained on."""
    held: int
    """Pictures that are kept out of the training, to measure on."""
    over_fits: bool = False
    """Whether it is made to over-fit."""
    steps: int = 260


COURSES: Mapping[str, Course] = {
    "otter": Course(SETS["otter"], 12, 4),
    "parrot": Course(Subject("parrot", "twemoji"), 8, 4),
    "fox": Course(Subject("fox face", "fluent"), 12, 4),
    "octopus": Course(SETS["octopus"], 3, 4, over_fits=True, steps=600),
    "flat octopus": Course(Subject("octopus", "twemoji"), 8, 4),
    "mosaic": Course(SETS["mosaic"], 24, 6),
    "engraving": Course(SETS["engraving"], 8, 6, over_fits=True, steps=520),
    "halftone": Course(Style(looks.halftone), 12, 4),
    "blueprint": Course(Style(looks.blueprint), 24, 6),
    "stained glass": Course(Style(looks.stained_glass), 3, 6, over_fits=True, steps=600),
}


def trained(bench: Bench, name: str, course: Course, folder: Path) -> TrainedAdapter:
    """Train with measures, and with a snapshot after each tenth of the steps."""
    whole = course.taught.dataset(bench.packages)
    mixed = sorted(whole.records, key=lambda record: derived_seed(name, record.content_hash))
    held = {record.name for record in mixed[: course.held]}
    chosen = {record.name for record in mixed[: course.held + course.trained]}
    dataset = replace(whole, records=tuple(record for record in whole if record.name in chosen))
    every = course.steps // SNAPSHOTS
    changes: dict[str, Any] = {
        "steps": course.steps, "measures": True, "held_out_pictures": tuple(held),
        "snapshot_steps": tuple(range(every, course.steps, every)),
    }  # fmt: skip
    if course.over_fits:
        changes |= {"schedule": "constant", "caption_dropout": 0.0}
    recipe: Recipe = suggest(course.taught.goal, course.trained, bench.base.info).changed(**changes)
    return result_of(
        train_adapter(
            bench.base, dataset, recipe, seed=0, store=RunStore(folder), name=TRIGGER,
            regularization=None if course.over_fits else bench.class_pictures,
        )
    )  # fmt: skip


def measured(bench: Bench, name: str, folder: Path) -> dict[str, Any]:
    """Train a course, and draw with each of its snapshots."""
    course, started = COURSES[name], time.perf_counter()
    run = trained(bench, name, course, folder)
    seconds = time.perf_counter() - started
    asked = course.taught.asked(bench.artist.prompts)
    drawn = [bench.artist.draw(asked, evaluation.alone(own.adapter())) for own in run.snapshots]
    return {
        "steps": [figures.step for figures in run.figures],
        "likeness": [round(course.taught.distance(pictures, bench.packages), 4) for pictures in drawn],
        "drift": [figures.drift and round(figures.drift, 4) for figures in run.figures],
        "training": _losses(run.figures, held=False),
        "held": _losses(run.figures, held=True),
        "seconds": round(seconds),
        "drawn": len(drawn[0].images),
        "over_fits": course.over_fits,
    }


def figures_of(course: Mapping[str, Any]) -> list[Figures]:
    """What was measured of the snapshots, from the file of the results."""
    return [
        Figures.of(
            step,
            "measured",
            [own for kind in ("training", "held") for own in _pictures(course[kind], place, held=kind == "held")],
            course["drift"][place],
        )
        for place, step in enumerate(course["steps"])
    ]


def _losses(figures: tuple[Figures, ...], *, held: bool) -> dict[str, Any]:
    """Mean loss of each picture over the bands of noise levels, with each snapshot and without."""
    pictures = [[picture for picture in own.pictures if picture.held is held] for own in figures]
    return {
        "base": np.mean([picture.base for picture in pictures[0]], axis=1).round(4).tolist(),
        "adapted": [np.mean([picture.adapted for picture in own], axis=1).round(4).tolist() for own in pictures],
    }


def _pictures(losses: Mapping[str, Any], place: int, *, held: bool) -> list[PictureFigures]:
    return [
        PictureFigures(name=f"{number}", content_hash=f"{held} {number}", held=held, adapted=(own,), base=(base,))
        for number, (own, base) in enumerate(zip(losses["adapted"][place], losses["base"], strict=True))
    ]


def row(name: str, found: Mapping[str, Any]) -> list[str]:
    """Of the table: the pick beside the best snapshot, and what is said of over-fitting."""
    course, told = COURSES[name], verdict(figures_of(found))
    assert told
    likeness = dict(zip(found["steps"], found["likeness"], strict=True))
    best = min(likeness, key=lambda step: likeness[step])
    return [
        name, f"{course.trained}+{course.held}", f"{course.steps}", f"{found['drawn']}",
        f"{told.best}", f"{likeness[told.best]:.3f}",
        f"{best}", f"{likeness[best]:.3f}", f"{likeness[told.best] / likeness[best] - 1:+.0%}",
        "made to" if course.over_fits else "-", f"since {told.over_fit_since}" if told.over_fit_since else "-",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="the folder node_modules; without it, nothing is measured")
    parser.add_argument("--courses", nargs="*", choices=COURSES, default=list(COURSES), metavar="COURSE")
    parser.add_argument("--pictures", type=int, default=16, help="drawn with each snapshot")
    parser.add_argument("--folder", type=Path, default=Path("build") / "stopping", help="for runs and class pictures")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    known = json.loads(args.results.read_text(encoding="utf-8")) if args.results.exists() else {}
    if args.packages:
        bench = Bench(args.packages, args.folder, args.pictures)
        for name in args.courses:
            if name not in known:
                known[name] = measured(bench, name, args.folder / "runs")
                write_json(args.results, known)
    headings = ["run", "pictures", "steps", "drawn", "pick", "distance", "best", "distance", "", "over-fits", "told"]
    print(table(headings, [row(name, known[name]) for name in args.courses if name in known]))


if __name__ == "__main__":
    main()
