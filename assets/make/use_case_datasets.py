"""Make the data sets of the use cases: all drawn from nothing by ``products.py``, ``mascot.py`` and ``plates.py``.

- ``brand``: a shop's catalogue, three products from several sides, on studio colors and in three shapes.
- ``robot``: a character in all combinations of its expressions and poses.
- ``scenes``: an edit, pairs of an empty scene and the same scene with a product in it.
- ``plates``: empty scenes that are in no pair, to put products into.

Captions carry ``[trigger]`` where the trigger word goes. Everything is fixed, so that the files can be made again.
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import world
from demo_datasets import Pose, save, write_caption
from mascot import EXPRESSIONS, POSES, robot
from PIL import Image
from plates import KINDS, Plate, with_product
from products import PRODUCTS, bottle

SHAPES = ((128, 128), (128, 192), (192, 128))
"""Of the catalogue's pictures, width and height in pixels."""
STUDIO = ("gray", "beige", "light blue", "black", "teal", "brown")
TURNS = (0.0, 0.0, 0.0, -0.5, 0.5, 0.0, 0.5, -0.5, 0.0)
PLATE_SIDE = 96
PAIRS = 30
PLATES = 8


def write_brand(folder: Path) -> None:
    """The catalogue: nine pictures of each product, three in each shape."""
    for row, (name, draw) in enumerate(PRODUCTS.items()):
        for number, turn in enumerate(TURNS):
            background = STUDIO[(number + 2 * row) % len(STUDIO)]
            pose = Pose(0.86 if number % 2 else 0.82, angle=(0, 0, 0, 4, 0, -4, 0, 0, 0)[number])
            path = folder / f"{name} {number + 1} {background}.webp"
            save(pose.picture(draw(turn), background, SHAPES[number % len(SHAPES)]), path)
            write_caption(path, f"an emoji of a [trigger] {name} on {world.article(background)} background")


def write_robot(folder: Path) -> None:
    """The character: two pictures of each combination."""
    backgrounds = list(world.BACKGROUNDS)
    shown = [*product(EXPRESSIONS, POSES)]
    rng = random.Random(3)
    for number, (expression, pose) in enumerate(2 * shown):
        background = backgrounds[number * 7 % len(backgrounds)]
        placed = Pose(rng.uniform(0.88, 0.96), (rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02)))
        path = folder / f"{expression}, {pose} {number // len(shown) + 1}.webp"
        save(placed.picture(robot(expression, pose), background, (96, 96)), path)
        write_caption(path, robot_caption(expression, pose, background))


def robot_caption(expression: str, pose: str, background: str) -> str:
    return f"an emoji of a [trigger] robot, {pose}, {expression}, on {world.article(background)} background"


def write_scenes(folder: Path) -> None:
    """The pairs: the bottle in scenes of its own."""
    for part in ("control", "target"):
        (folder / part).mkdir()
    for number, plate in enumerate(random_plates(random.Random(11), PAIRS), 1):
        before = plate.picture()
        file = f"{plate.kind} {number:02d}.webp"
        save(_reduced(before), folder / "control" / file)
        save(_reduced(with_product(before, bottle())), folder / "target" / file)


def write_plates(folder: Path) -> None:
    """New scenes, some of each kind."""
    for number, plate in enumerate(random_plates(random.Random(29), PLATES), 1):
        save(_reduced(plate.picture()), folder / f"{plate.kind} {number}.webp")


def random_plates(rng: random.Random, count: int) -> list[Plate]:
    """Scenes with three colors each, their kinds in turn."""
    names = list(world.BACKGROUNDS)
    drawn = (rng.sample(names, 3) for _ in range(count))
    colors = [[world.BACKGROUNDS[name] for name in three] for three in drawn]
    return [Plate(KINDS[number % len(KINDS)], *three) for number, three in enumerate(colors)]


def _reduced(picture: Image.Image) -> Image.Image:
    return picture.resize((PLATE_SIDE, PLATE_SIDE), Image.Resampling.LANCZOS)


WRITERS: dict[str, Callable[[Path], None]] = {
    "brand": write_brand, "robot": write_robot, "scenes": write_scenes, "plates": write_plates,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "datasets")
    args = parser.parse_args()
    for name, write in WRITERS.items():
        folder = args.out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write(folder)
        print(f"{folder}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
