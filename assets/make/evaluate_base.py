"""Measure the demo base with fixed seeds: autoencoder, backgrounds, subjects and styles.

- *Autoencoder*: mean PSNR over pictures that it was not trained on.
- *Background*: the mean color of the border is nearest to the named one of the 15, in CIELAB.
- *Subject* and *style*: of all trained pictures on the named background, the nearest one in the space of
  ``features.py`` shows the named subject, and is in the named style.

The last three are shares of the same prompts: every style and background equally often, subjects drawn by chance.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import features
import numpy as np
import torch
import train_autoencoder
import world
from diffusers import StableDiffusionPipeline
from lora_workbench.engine.figures.grid import Label, labeled_grid
from measuring import prompt, table, write_json
from PIL import Image

STEPS = 25
BATCH = 25
WANTED = {"psnr_db": 28.0, "background": 0.90, "subject": 0.60, "style": 0.60}
SHEET = (
    ("red apple", "white"),
    ("cat face", "blue"),
    ("rocket", "light green"),
    ("house", "pink"),
    ("penguin", "yellow"),
    ("mushroom", "black"),
    ("sunflower", "purple"),
    ("car", "beige"),
)
"""Subjects and backgrounds of the sample sheet; each is drawn once in every style, with seed 0."""


@dataclass(frozen=True)
class Case:
    """One prompt and the seed that it is drawn with."""

    picture: world.Picture
    background: str
    seed: int

    @property
    def prompt(self) -> str:
        return prompt(world.article(self.picture.name), self.background, self.picture.style)


class Judge:
    """All trained pictures on every background, as features."""

    def __init__(self, pictures: list[world.Picture]) -> None:
        self.pictures = pictures
        self._known: dict[str, np.ndarray] = {}

    @cached_property
    def _cutouts(self) -> list[Image.Image]:
        return [picture.cutout() for picture in self.pictures]

    def nearest(self, image: Image.Image, background: str) -> world.Picture:
        """The trained picture on that background which the image is nearest to."""
        if background not in self._known:
            color = world.BACKGROUNDS[background]
            self._known[background] = features.describe(world.compose(cutout, color) for cutout in self._cutouts)
        return self.pictures[features.distance(features.describe([image]), self._known[background]).argmin()]


def nearest_background(image: Image.Image) -> str:
    """The name of the background whose color is nearest to the border's, in CIELAB."""
    border = features.border_color(image)
    return min(
        world.BACKGROUNDS, key=lambda name: float(np.linalg.norm(features.lab(world.BACKGROUNDS[name]) - border))
    )


def cases(pictures: list[world.Picture], count: int) -> list[Case]:
    """The prompts to measure: styles and backgrounds in turn, subjects by a fixed chance."""
    rng = random.Random(0)
    by_style = {style: [p for p in pictures if p.style == style] for style in world.PACKAGES}
    pairs = [(style, background) for background in world.BACKGROUNDS for style in world.PACKAGES]
    return [
        Case(rng.choice(by_style[style]), background, seed=1000 + i)
        for i, (style, background) in enumerate(itertools.islice(itertools.cycle(pairs), count))
    ]


def draw(pipe: StableDiffusionPipeline, prompts: list[str], seeds: list[int], guidance: float) -> list[Image.Image]:
    """One picture a prompt, each from its own seed."""
    images = []
    for at in range(0, len(prompts), BATCH):
        images += pipe(
            prompts[at : at + BATCH],
            num_inference_steps=STEPS,
            guidance_scale=guidance,
            height=world.SIZE,
            width=world.SIZE,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[at : at + BATCH]],
        ).images
        print(f"{len(images)} of {len(prompts)} pictures", flush=True)
    return images


def figures(judge: Judge, asked: list[Case], images: list[Image.Image]) -> dict:
    """Shares of right backgrounds, subjects and styles, overall and by class word and style."""
    found = [judge.nearest(image, case.background) for case, image in zip(asked, images, strict=True)]
    subject = [f.name == case.picture.name for f, case in zip(found, asked, strict=True)]
    style = [f.style == case.picture.style for f, case in zip(found, asked, strict=True)]
    background = [nearest_background(i) == case.background for i, case in zip(images, asked, strict=True)]
    return {
        "background": float(np.mean(background)),
        "subject": float(np.mean(subject)),
        "style": float(np.mean(style)),
        "subject_by_class": _shares(subject, [case.picture.class_word for case in asked]),
        "subject_by_style": _shares(subject, [case.picture.style for case in asked]),
        "style_by_style": _shares(style, [case.picture.style for case in asked]),
    }


def _shares(right: list[bool], groups: list[str]) -> dict[str, float]:
    members = defaultdict(list)
    for hit, group in zip(right, groups, strict=True):
        members[group].append(hit)
    return {group: float(np.mean(hits)) for group, hits in members.items()}


def save_sheet(pipe: StableDiffusionPipeline, path: Path, guidance: float) -> None:
    """A labeled grid: one row a style, one column a subject on its background."""
    prompts = [prompt(world.article(name), background, style) for style in world.PACKAGES for name, background in SHEET]
    images = draw(pipe, prompts, [0] * len(prompts), guidance)
    cells = [images[at : at + len(SHEET)] for at in range(0, len(images), len(SHEET))]
    columns = [Label(name, f"on {background}") for name, background in SHEET]
    labeled_grid([Label(f"{style} style") for style in world.PACKAGES], columns, cells).save(path, optimize=True)


def summary(result: dict) -> str:
    names = {"psnr_db": "autoencoder, PSNR", "background": "background right", "subject": "subject right"}
    names["style"] = "style right (chance: a third)"
    shown = {key: f"{result[key]:.1f} dB" if key == "psnr_db" else f"{result[key]:.1%}" for key in names}
    wanted = {key: f"{WANTED[key]:.0f} dB" if key == "psnr_db" else f"{WANTED[key]:.0%}" for key in names}
    return table(
        ["measure", "wanted", "measured", "reached"],
        [[names[k], wanted[k], shown[k], "yes" if result[k] >= WANTED[k] else "no"] for k in names],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="the folder node_modules")
    parser.add_argument("--base", type=Path, required=True, help="the model in diffusers' layout")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--sheet", type=Path, help="PNG file for labeled samples")
    parser.add_argument("--count", type=int, default=200, help="prompts to draw")
    parser.add_argument("--guidance", type=float, default=3.0)
    args = parser.parse_args()
    pipe = StableDiffusionPipeline.from_pretrained(args.base, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    pictures = world.trained_pictures(args.packages)
    asked = cases(pictures, args.count)
    images = draw(pipe, [case.prompt for case in asked], [case.seed for case in asked], args.guidance)
    held_out = train_autoencoder.split_pictures(args.packages)[1]
    result = {"prompts": args.count, "steps": STEPS, "guidance": args.guidance, "trained_pictures": len(pictures)}
    result |= {"psnr_db": train_autoencoder.psnr(pipe.vae, held_out), "psnr_pictures": min(200, len(held_out))}
    result |= figures(Judge(pictures), asked, images)
    print(summary(result))
    if args.out:
        write_json(args.out, result | {"wanted": WANTED})
    if args.sheet:
        save_sheet(pipe, args.sheet, args.guidance)


if __name__ == "__main__":
    main()
