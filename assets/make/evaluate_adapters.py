"""Measure with fixed seeds what the two demo adapters teach the demo base, in the space of ``features.py``.

All distances are means over pictures that base and adapter draw from the same prompts and seeds.

- *Subject*: from a picture of "an emoji of a <trigger> animal on a <background> background" to the nearest of the
  subject's poses on that background; once with the poses of the data set, once with poses that are not in it.
- *Style*: from a picture of "a <trigger> style emoji of a <subject> on a <background> background" to the true print of
  that subject on that background; once for subjects of the data set, once for others.
  Beside these stand, in the JSON alone, the mean distances to all poses and to all prints of the data set.
- *Drift*: how far pictures of prompts without a trigger move between base and adapter, over how far pictures of the
  adapter's own trigger prompts move.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import demo_datasets
import features
import numpy as np
import world
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.figures.grid import Label, labeled_grid
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from measuring import prompt, table, write_json
from PIL import Image

SEEDS_A_PROMPT = 4
WANTED = {"subject_nearer": 0.50, "style_nearer": 0.25, "drift": 1 / 3}


@dataclass(frozen=True)
class Asked:
    """One prompt, and what is true of a right picture of it."""

    prompt: str
    background: str
    emoji_name: str = ""


@dataclass(frozen=True)
class Drawn:
    """The pictures of one column: a stack's, for all prompts and seeds."""

    images: list[Image.Image]
    asked: list[Asked]
    """One a picture."""

    @cached_property
    def described(self) -> np.ndarray:
        return features.describe(self.images)


class Artist:
    """Draws the same prompts from the same seeds with any stack."""

    def __init__(self, base: Backbone, seeds: int, guidance: float) -> None:
        self.base = base
        self.prompts = max(1, seeds // SEEDS_A_PROMPT)
        self.guidance = guidance

    def draw(self, asked: list[Asked], stack: Stack) -> Drawn:
        """Every prompt with seeds of its own, ``SEEDS_A_PROMPT`` each."""
        images, repeated = [], []
        for number, one in enumerate(asked):
            first = number * SEEDS_A_PROMPT
            request = GenerationRequest(
                prompts=(one.prompt,),
                seeds=tuple(range(first, first + SEEDS_A_PROMPT)),
                guidance=self.guidance,
                batch_size=SEEDS_A_PROMPT,
            )
            images += _drawn(self.base, request, stack)
            repeated += [one] * SEEDS_A_PROMPT
        print(f"{len(images)} pictures, for example of: {asked[0].prompt}", flush=True)
        return Drawn(images, repeated)


def _drawn(base: Backbone, request: GenerationRequest, stack: Stack) -> list[Image.Image]:
    events = generate(base, request, stack)
    while True:
        try:
            next(events)
        except StopIteration as end:
            return [generated.image for generated in end.value]


def alone(adapter: Adapter) -> Stack:
    return Stack((StackEntry(adapter),))


def trigger_word(adapter: Adapter) -> str:
    """The word that calls the adapter: the first of its trigger phrase."""
    return adapter.trigger.split()[0]


def subject_prompts(word: str, count: int) -> list[Asked]:
    backgrounds = list(world.BACKGROUNDS)
    chosen = [backgrounds[i % len(backgrounds)] for i in range(count)]
    return [Asked(prompt(f"{world.article(word)} animal", background), background) for background in chosen]


def style_prompts(word: str, emoji_names: list[str], count: int) -> list[Asked]:
    backgrounds = list(world.BACKGROUNDS)
    asked = []
    for i in range(count):
        name, background = emoji_names[i % len(emoji_names)], backgrounds[i * 4 % len(backgrounds)]
        what = world.article(world.SPOKEN.get(name, name))
        asked.append(Asked(prompt(what, background, word), background, name))
    return asked


def plain_prompts(packages: Path, count: int) -> list[Asked]:
    """Prompts without a trigger: trained subjects in trained styles."""
    rng = random.Random(0)
    chosen = rng.sample(world.trained_pictures(packages), count)
    backgrounds = [rng.choice(list(world.BACKGROUNDS)) for _ in chosen]
    return [
        Asked(prompt(world.article(picture.name), background, picture.style), background)
        for picture, background in zip(chosen, backgrounds, strict=True)
    ]


def distance_to_poses(drawn: Drawn, packages: Path, poses: list[demo_datasets.Pose]) -> dict[str, float]:
    """Mean distance to the subject's poses on each picture's background: to the nearest pose, and to all."""
    cutout = demo_datasets.fox(packages)
    on = {
        background: features.describe(pose.picture(cutout, background) for pose in poses)
        for background in {one.background for one in drawn.asked}
    }
    rows = [
        features.distance(vector[None], on[one.background])[0]
        for vector, one in zip(drawn.described, drawn.asked, strict=True)
    ]
    return {"nearest": float(np.mean([row.min() for row in rows])), "all": float(np.mean(rows))}


def distance_to_prints(drawn: Drawn, packages: Path) -> float:
    """Mean distance to the true print of each picture's subject on its background."""
    truth = [_print(packages, one.emoji_name, one.background) for one in drawn.asked]
    return float(features.paired_distance(drawn.described, features.describe(truth)).mean())


def distance_to_style(drawn: Drawn, packages: Path) -> float:
    """Mean distance to all prints of the data set on each picture's background, whatever they show."""
    listed = demo_datasets.names(demo_datasets.RISO)
    on = {
        background: features.describe(_print(packages, name, background) for name in listed)
        for background in {one.background for one in drawn.asked}
    }
    rows = [features.distance(v[None], on[one.background]) for v, one in zip(drawn.described, drawn.asked, strict=True)]
    return float(np.mean(rows))


def _print(packages: Path, emoji_name: str, background: str) -> Image.Image:
    return demo_datasets.Pose().picture(demo_datasets.riso(packages, emoji_name), background)


def moved(before: Drawn, after: Drawn) -> float:
    """Mean distance between pictures of the same prompts and seeds."""
    return float(features.paired_distance(before.described, after.described).mean())


def compared(before: float, after: float) -> dict[str, float]:
    return {"base": before, "adapter": after, "nearer": 1 - after / before}


def measure_subject(artist: Artist, adapter: Adapter, packages: Path) -> tuple[dict, Drawn, Drawn]:
    asked = subject_prompts(trigger_word(adapter), artist.prompts)
    before, after = artist.draw(asked, Stack()), artist.draw(asked, alone(adapter))
    sets = {"data_set": [shot.pose for shot in demo_datasets.FOX], "held_out": list(demo_datasets.HELD_OUT_POSES)}
    result = {}
    for name, poses in sets.items():
        was, now = distance_to_poses(before, packages, poses), distance_to_poses(after, packages, poses)
        result[name] = compared(was["nearest"], now["nearest"]) | {"all_poses": compared(was["all"], now["all"])}
    return result | {"moved": moved(before, after)}, before, after


def measure_style(artist: Artist, adapter: Adapter, packages: Path) -> tuple[dict, Drawn, Drawn]:
    result, columns = {}, []
    for name, listed in (("data_set", demo_datasets.RISO), ("held_out", demo_datasets.RISO_HELD_OUT)):
        asked = style_prompts(trigger_word(adapter), demo_datasets.names(listed), artist.prompts)
        before, after = artist.draw(asked, Stack()), artist.draw(asked, alone(adapter))
        result[name] = compared(distance_to_prints(before, packages), distance_to_prints(after, packages))
        to_style = compared(distance_to_style(before, packages), distance_to_style(after, packages))
        result[name] |= {"all_prints": to_style, "moved": moved(before, after)}
        columns.append((before, after))
    result["moved"] = (result["data_set"]["moved"] + result["held_out"]["moved"]) / 2
    return result, *columns[1]


def measure_drift(artist: Artist, adapters: dict[str, Adapter], packages: Path) -> dict[str, float]:
    """How far pictures without a trigger move under each adapter."""
    asked = plain_prompts(packages, artist.prompts)
    before = artist.draw(asked, Stack())
    return {name: moved(before, artist.draw(asked, alone(adapter))) for name, adapter in adapters.items()}


def summary(result: dict) -> str:
    rows = []
    for kind, known in (("subject", "poses"), ("style", "subjects")):
        for which, words in (("data_set", f"{known} of the data set"), ("held_out", f"held-out {known}")):
            figures, wanted = result[kind][which], WANTED[f"{kind}_nearer"]
            rows.append(
                [
                    f"{kind}: distance, {words}",
                    f"{figures['base']:.3f}",
                    f"{figures['adapter']:.3f}",
                    f"{figures['nearer']:.0%} nearer",
                    f"at least {wanted:.0%}",
                ]
            )
        drift = result[kind]["drift"]
        rows.append(
            [
                f"{kind}: moved, with and without trigger",
                f"{result[kind]['moved']:.3f}",
                f"{drift['moved']:.3f}",
                f"{drift['ratio']:.2f} of it",
                f"under {WANTED['drift']:.2f}",
            ]
        )
    return table(["measure", "base or with", "adapter or without", "result", "wanted"], rows)


def save_sheet(path: Path, columns: dict[str, tuple[Drawn, Drawn]], count: int = 4) -> None:
    """Base beside adapter for the first seed of the first prompts of each kind."""
    rows, cells = [], []
    for kind, (before, after) in columns.items():
        for i in range(0, min(count * SEEDS_A_PROMPT, len(before.images)), SEEDS_A_PROMPT):
            rows.append(Label(before.asked[i].prompt, kind))
            cells.append([before.images[i], after.images[i]])
    labeled_grid(rows, [Label("base"), Label("adapter")], cells).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="the folder node_modules")
    parser.add_argument("--base", type=Path, required=True, help="the model in diffusers' layout")
    parser.add_argument("--subject", type=Path, required=True, help="adapter file, trained on datasets/fox")
    parser.add_argument("--style", type=Path, required=True, help="adapter file, trained on datasets/riso")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--sheet", type=Path, help="PNG file for pictures by base and adapters")
    parser.add_argument("--seeds", type=int, default=64, help=f"pictures of each kind, a multiple of {SEEDS_A_PROMPT}")
    parser.add_argument("--guidance", type=float, default=3.0)
    args = parser.parse_args()
    artist = Artist(load_base(args.base, device="cpu", precision="fp32"), args.seeds, args.guidance)
    subject, style = load_adapter(args.subject), load_adapter(args.style)
    result: dict = {"seeds": args.seeds, "guidance": args.guidance, "wanted": WANTED}
    columns = {}
    result["subject"], *columns["subject"] = measure_subject(artist, subject, args.packages)
    result["style"], *columns["style"] = measure_style(artist, style, args.packages)
    for kind, without in measure_drift(artist, {"subject": subject, "style": style}, args.packages).items():
        result[kind]["drift"] = {"moved": without, "ratio": without / result[kind]["moved"]}
    print(summary(result))
    if args.out:
        write_json(args.out, result)
    if args.sheet:
        save_sheet(args.sheet, columns)


if __name__ == "__main__":
    main()
