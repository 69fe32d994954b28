"""What stacks do to pictures: at which measure they break, and which way of combining is best. Eight adapters.

    npm install --prefix build/emoji emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 \\
        @lobehub/fluent-emoji-3d@1.1.0
    python benchmarks/stacking.py --packages build/emoji/node_modules      all that is missing, for an hour
    python benchmarks/stacking.py                                          the tables of what has been measured

*Stacks*: 200 random stacks of two to six of the adapters, at weights of 0.2 to 1.4, draw a subject that none of them
was taught, and no trigger word. A picture is as broken as it is far from all art that the base or the adapters know, in
the feature space of ``assets/make/features.py``; base and adapters alone stay below 0.075, and from ``BROKEN`` on one
sees burnt colors and torn shapes. The table says how well measures of a stack predict broken pictures: the area under
the curve, 1 for a measure that puts all broken stacks above all others and 0.5 for chance.

*Pairs*: eight pairs of a subject and a style, by prompts with both trigger words. *Likeness* is the distance to the
nearest held-out pose of the subject in that look, *style* the mean distance to other subjects in that look; lower is
nearer. Both are means over 16 pictures.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "assets" / "make"))

import demo_datasets
import features
import numpy as np
import world
from evaluate_adapters import Asked, Drawn
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.combining import making_way
from lora_workbench.engine.adapters.interference import interference
from lora_workbench.engine.adapters.names import flat
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.figures.grid import Label, labeled_grid
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from measuring import prompt, table, write_json
from PIL import Image
from teaching.eight import PAIRS, STYLE, STYLES, SUBJECT, SUBJECTS, trained
from teaching.figures import GUIDANCE, Bench, result_of
from teaching.scatter import Cloud, scatter

RESULTS = Path(__file__).parent / "teaching" / "stacking.json"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
STACKS, SEEDS = 200, (0, 1)
PLAIN = Asked(prompt("a dog face", "yellow"), "yellow")
BROKEN = 0.10
"""Distance from all known art above which a picture counts as broken."""
BACKGROUNDS = ("white", "green", "blue", "yellow")
NAMES = (*SUBJECTS, *STYLES)
MEASURES = ("likeness", "style")

Combine = Callable[[Adapter, Adapter], Stack]
"""(subject, style) -> a stack."""


def summed(subject: float, style: float) -> Combine:
    return lambda one, other: Stack((StackEntry(one, subject, subject), StackEntry(other, style, style)))


def way(strength: float, weight: float, *, subject: bool) -> Combine:
    """The subject, or the style, makes way for the other."""
    return lambda one, other: (
        making_way(summed(weight, weight)(one, other), [(other if subject else one).name], strength=strength).stack
    )


def stronger(one: Adapter, other: Adapter) -> Stack:
    """In each layer only the adapter that changes it more, as K-LoRA (arXiv:2502.18461) chooses, but at all steps."""
    gram = {layer.key: layer.alone for layer in interference(summed(1, 1)(one, other)).layers}

    def part(adapter: Adapter, number: int) -> Adapter:
        kept = {k: update for k, update in adapter.modules.items() if int(gram[flat(k)].argmax()) == number}
        return replace(adapter, modules=kept, path=None)

    return summed(1, 1)(part(one, 0), part(other, 1))


MODES: Mapping[str, Combine] = {
    "sum 0.8, 0.6": summed(0.8, 0.6),
    "sum 1, 1": summed(1, 1),
    "sum 1.2, 1.2": summed(1.2, 1.2),
    "subject makes way by 1/3, 1, 1": way(1 / 3, 1.0, subject=True),
    "subject makes way by 1/3, 1.2, 1.2": way(1 / 3, 1.2, subject=True),
    "style makes way by 1/3, 1.2, 1.2": way(1 / 3, 1.2, subject=False),
    "the stronger one by layer, 1, 1": stronger,
}
SHOWN = ("sum 0.8, 0.6", "subject makes way by 1/3, 1, 1", "sum 1.2, 1.2")


@dataclass(eq=False)
class Studio:
    """The base with the eight adapters, and the art that pictures are measured against."""

    bench: Bench

    @cache  # noqa: B019 - one for the whole program
    def adapter(self, name: str) -> Adapter:
        return trained(self.bench, name)

    def draw(self, asked: Sequence[Asked], seeds: Callable[[int], Sequence[int]], stack: Stack) -> Drawn:
        """Each prompt with its own seeds."""
        images, repeated = [], []
        for number, one in enumerate(asked):
            request = GenerationRequest(prompts=(one.prompt,), seeds=tuple(seeds(number)), guidance=GUIDANCE)
            images += [made.image for made in result_of(generate(self.bench.base, request, stack))]
            repeated += [one] * len(request.seeds)
        return Drawn(images, repeated)

    @cache  # noqa: B019
    def known(self, background: str) -> np.ndarray:
        """All art that the base or an adapter knows."""
        packages = self.bench.packages
        pictures = [
            world.compose(own.cutout(), world.BACKGROUNDS[background]) for own in world.trained_pictures(packages)
        ]
        pictures += [pose for name in SUBJECTS for pose in self._poses(name, background, None)]
        names = [*demo_datasets.names(demo_datasets.RISO), *demo_datasets.names(demo_datasets.RISO_HELD_OUT)]
        for style in STYLES:
            pictures += [self._print(style, name, background) for name in names]
            pictures += [pose for name in SUBJECTS for pose in self._poses(name, background, style)]
        return features.describe(pictures)

    @cache  # noqa: B019
    def true(self, subject: str, style: str, background: str) -> np.ndarray:
        """Held-out poses of a subject in a look."""
        return features.describe(self._poses(subject, background, style))

    @cache  # noqa: B019
    def prints(self, style: str, background: str) -> np.ndarray:
        """Held-out subjects in a look."""
        names = demo_datasets.names(demo_datasets.RISO_HELD_OUT)
        return features.describe(self._print(style, name, background) for name in names)

    def _poses(self, subject: str, background: str, style: str | None) -> list[Image.Image]:
        art = SUBJECTS[subject].what.cutout(self.bench.packages)  # type: ignore[union-attr]
        art = STYLES[style].what.look(art) if style else art  # type: ignore[union-attr]
        return [pose.picture(art, background) for pose in demo_datasets.HELD_OUT_POSES]

    def _print(self, style: str, name: str, background: str) -> Image.Image:
        art = world.picture_of(self.bench.packages, name, "noto").cutout()
        return demo_datasets.Pose().picture(STYLES[style].what.look(art), background)  # type: ignore[union-attr]


def random_stack(number: int) -> dict[str, float]:
    """Adapter -> weight."""
    rng = random.Random(1000 + number)
    count = rng.randint(2, 6)
    chosen = rng.sample(NAMES, count)
    return {name: round(rng.uniform(0.2, 1.4), 2) for name in chosen}


def measured_stack(studio: Studio, weights: Mapping[str, float]) -> dict[str, Any]:
    """How far pictures of a stack are from all known art, and what predicts it."""
    stack = Stack(tuple(StackEntry(studio.adapter(name), weight, weight) for name, weight in weights.items()))
    drawn = studio.draw([PLAIN], lambda _: SEEDS, stack)
    distance = features.distance(drawn.described, studio.known(PLAIN.background)).min(axis=1).mean()
    return {
        "weights": dict(weights),
        "distance": float(distance),
        "effective_total": interference(stack, overlaps=False).effective_total,
    }


def measured_pair(studio: Studio, subject: str, style: str, mode: str) -> dict[str, float]:
    """How near pictures with both trigger words are to the subject in the look."""
    stack = MODES[mode](studio.adapter(subject), studio.adapter(style))
    drawn = studio.draw(asked_of_pairs(), lambda number: range(4 * number, 4 * number + 4), stack)
    rows = list(zip(drawn.described, drawn.asked, strict=True))
    likeness = [features.distance(v[None], studio.true(subject, style, one.background)).min() for v, one in rows]
    looks = [features.distance(v[None], studio.prints(style, one.background)).mean() for v, one in rows]
    return {"likeness": float(np.mean(likeness)), "style": float(np.mean(looks))}


def asked_of_pairs() -> list[Asked]:
    return [
        Asked(prompt(f"{world.article(SUBJECT)} animal", background, STYLE), background) for background in BACKGROUNDS
    ]


def area_under_curve(values: np.ndarray, broken: np.ndarray) -> float:
    """Probability that a broken stack has the larger value; ties count half."""
    above, below = values[broken][:, None], values[~broken][None]
    return float(((above > below) + 0.5 * (above == below)).mean())


def predictors(stacks: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    return {
        "sum of the weights": np.array([sum(own["weights"].values()) for own in stacks.values()]),
        "effective total": np.array([own["effective_total"] for own in stacks.values()]),
    }


def table_of_stacks(stacks: Mapping[str, Mapping[str, Any]]) -> str:
    distance = np.array([own["distance"] for own in stacks.values()])
    broken = distance > BROKEN
    rows = [
        [name, f"{area_under_curve(values, broken):.3f}", f"{half_broken(values, broken):.2f}"]
        for name, values in predictors(stacks).items()
    ]
    return table([f"{broken.sum()} of {len(broken)} stacks broken", "area under the curve", "half broken from"], rows)


def half_broken(values: np.ndarray, broken: np.ndarray) -> float:
    """The value that tells broken stacks from others with the fewest errors."""
    limits = np.sort(values)
    errors = [int((broken != (values > limit)).sum()) for limit in limits]
    return float(limits[int(np.argmin(errors))])


def plot_of_stacks(stacks: Mapping[str, Mapping[str, Any]]) -> Image.Image:
    distance = [own["distance"] for own in stacks.values()]
    broken = np.array(distance) > BROKEN
    return scatter(
        [
            Cloud(f"{name}, area {area_under_curve(values, broken):.3f}", values.tolist(), distance)
            for name, values in predictors(stacks).items()
        ],
        BROKEN, title="When do stacks break pictures?", axis="distance from all known art",
    )  # fmt: skip


def table_of_pairs(pairs: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Means over the pairs, and in how many a mode beats the first in both measures."""
    first = next(iter(MODES))
    rows = []
    for mode in MODES:
        own = [pair[mode] for pair in pairs.values() if mode in pair]
        beaten = sum(
            all(pair[mode][measure] < pair[first][measure] for measure in ("likeness", "style"))
            for pair in pairs.values()
        )
        means = [f"{np.mean([one[measure] for one in own]):.3f}" for measure in ("likeness", "style")]
        rows.append([mode, *means, f"{beaten} of {len(pairs)}" if mode != first else ""])
    return table(["mode", "likeness", "style", f"better than {first} in both"], rows)


def grid_of_pairs(studio: Studio, modes: Sequence[str]) -> Image.Image:
    """The first picture of each pair by some modes, beside subject and style alone."""
    asked, rows, cells = asked_of_pairs()[2:3], [], []
    for subject, style in PAIRS:
        one, other = studio.adapter(subject), studio.adapter(style)
        stacks = [summed(1, 0)(one, other), summed(0, 1)(one, other), *(MODES[mode](one, other) for mode in modes)]
        cells.append([studio.draw(asked, lambda _: [9], stack).images[0] for stack in stacks])
        rows.append(Label(f"{subject} in {style}"))
    return labeled_grid(rows, [Label("subject alone"), Label("style alone"), *map(Label, modes)], cells)


def measure(studio: Studio, known: dict[str, Any], results: Path) -> None:
    """Add what is missing, and keep it after each."""
    stacks, pairs = known.setdefault("stacks", {}), known.setdefault("pairs", {})
    for number in range(STACKS):
        if f"{number}" not in stacks:
            stacks[f"{number}"] = measured_stack(studio, random_stack(number))
            write_json(results, known)
    for subject, style in PAIRS:
        own = pairs.setdefault(f"{subject} in {style}", {})
        for mode in MODES:
            if mode not in own:
                own[mode] = measured_pair(studio, subject, style, mode)
                write_json(results, known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="the folder node_modules; without it, nothing is measured")
    parser.add_argument("--folder", type=Path, default=Path("build") / "stacking", help="for runs and class pictures")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--grid", type=Path, help="PNG file for pictures of all pairs")
    args = parser.parse_args()
    known = json.loads(args.results.read_text(encoding="utf-8")) if args.results.exists() else {}
    if args.packages:
        studio = Studio(Bench(args.packages, args.folder, 16))
        measure(studio, known, args.results)
        plot_of_stacks(known["stacks"]).save(IMAGES / "stacks-break.png", optimize=True)
        if args.grid:
            grid_of_pairs(studio, ["sum 0.8, 0.6", "subject makes way by 1/3, 1, 1", "sum 1.2, 1.2"]).save(
                args.grid, optimize=True
            )
    print(table_of_stacks(known["stacks"]), table_of_pairs(known["pairs"]), sep="\n\n")


if __name__ == "__main__":
    main()
