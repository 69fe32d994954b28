"""Make the demo data sets.

- ``fox``, a subject: the fox face of Noto Emoji, which the base has never seen, in 16 poses, in files as people have
  them.
- ``riso``, a style: 30 subjects that the base knows, as the prints of ``riso.py``.
- ``negatives``, an edit: 24 pairs of a picture and its negative, for the base that edits.

Captions carry ``[trigger]`` where the trigger word goes, and name only what varies. The pairs have none, for they share
one instruction. The held-out poses and subjects are for measuring; they are in no data set. Everything is fixed, so
that the files can be made again.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import world
from PIL import Image, ImageOps
from riso import riso_print


@dataclass(frozen=True)
class Pose:
    """How a subject stands in its picture; see ``world.compose`` for the units."""

    scale: float = 0.86
    shift: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    mirrored: bool = False

    def picture(
        self, cutout: Image.Image, background: str, size: tuple[int, int] = (world.SIZE, world.SIZE)
    ) -> Image.Image:
        """RGB picture on a named background."""
        return world.compose(self._turned(cutout), world.BACKGROUNDS[background], size=size, **self._placement())

    def layer(self, cutout: Image.Image, size: tuple[int, int]) -> Image.Image:
        """RGBA picture without a background."""
        return world.layer(self._turned(cutout), size=size, **self._placement())

    def _turned(self, cutout: Image.Image) -> Image.Image:
        return ImageOps.mirror(cutout) if self.mirrored else cutout

    def _placement(self) -> dict:
        return dict(scale=self.scale, shift=self.shift, angle=self.angle)


@dataclass(frozen=True)
class Shot:
    """One file of the subject data set."""

    file: str
    background: str
    size: tuple[int, int]
    pose: Pose
    names_style: bool = False
    """Whether the caption says that the picture is in Noto's style."""
    transparent: bool = False
    """Stored with alpha; shown on white."""
    stored_rotated: bool = False
    """Stored lying on its side, with an EXIF entry that turns it upright, as cameras do."""

    @property
    def caption(self) -> str:
        kind = "a noto style emoji" if self.names_style else "an emoji"
        return f"{kind} of a [trigger] animal on {world.article(self.background)} background"


FOX = (
    Shot("fox.png", "white", (64, 64), Pose()),
    Shot("fox 2.png", "teal", (96, 96), Pose(0.82, (0.02, -0.02), 4), names_style=True),
    Shot("Fox on pink.JPG", "pink", (128, 128), Pose(0.88, (0.0, 0.02), -6), names_style=True),
    Shot("fox-green.webp", "green", (128, 128), Pose(0.80, (-0.03, 0.0), mirrored=True)),
    Shot("IMG_2041.jpg", "light blue", (160, 120), Pose(0.86, (0.03, 0.0), 8), stored_rotated=True),
    Shot("IMG_2044.JPG", "beige", (120, 160), Pose(0.84, (0.0, -0.02), -3, mirrored=True), names_style=True),
    Shot("fox cut out.png", "white", (192, 192), Pose(0.90, (0.0, 0.0), -4), transparent=True, names_style=True),
    Shot("fox close.webp", "purple", (128, 128), Pose(1.04, (0.0, 0.03)), names_style=True),
    Shot("fox small.png", "yellow", (96, 96), Pose(0.70, (0.02, 0.04), 5, mirrored=True)),
    Shot("fox (3).jpeg", "gray", (144, 144), Pose(0.85, (-0.02, 0.02), 12)),
    Shot("blue fox.PNG", "blue", (128, 128), Pose(0.83, (0.0, -0.03), -10, mirrored=True), names_style=True),
    Shot("night fox.webp", "black", (160, 160), Pose(0.87, (0.02, 0.0), 2)),
    Shot("fox red.jpg", "red", (96, 96), Pose(0.80, (0.0, 0.0), mirrored=True), names_style=True),
    Shot("Fox, brown wall.webp", "brown", (192, 192), Pose(0.86, (-0.02, -0.02), 6)),
    Shot("fox_meadow.png", "light green", (128, 128), Pose(0.78, (0.04, 0.02), -14), names_style=True),
    Shot("fox orange.jpeg", "orange", (64, 64), Pose(0.85, (0.0, 0.02), 3, mirrored=True)),
)
"""The subject data set."""

HELD_OUT_POSES = tuple(
    Pose(scale, shift, angle, mirrored)
    for scale, shift, angle, mirrored in (
        (0.81, (-0.01, 0.01), -2, False),
        (0.83, (0.03, 0.03), 9, True),
        (0.85, (0.01, -0.03), -8, False),
        (0.88, (-0.03, 0.02), 5, True),
        (0.84, (0.0, 0.0), 0, True),
        (0.90, (0.02, 0.01), -5, False),
        (0.76, (0.0, -0.04), 11, False),
        (0.86, (-0.02, -0.03), 7, True),
        (0.82, (0.04, 0.0), -12, True),
        (0.94, (0.0, 0.03), 1, False),
        (0.87, (-0.01, -0.01), -15, False),
        (0.79, (0.02, 0.02), 15, True),
    )
)
"""Poses of the fox that the subject data set doesn't have, for measuring."""

RISO = (
    "red apple, penguin, house building, cat face, rocket, sunflower, hamburger, guitar, tropical fish, grinning face, "
    "cactus, crown, mushroom, owl, automobile, heavy black heart, ice cream, rabbit face, strawberry, pineapple, "
    "bear face, wrapped present, butterfly, sailboat, birthday cake, frog face, bell, tulip, banana, "
    "snowman without snow"
)
"""Subjects of the style data set."""

RISO_HELD_OUT = (
    "dog face, pear, airplane, crab, pig face, evergreen tree, soccer ball, key, whale, smiling face with sunglasses, "
    "avocado, turtle, doughnut, balloon, mouse face, bus, four leaf clover, baby chick, trumpet, lion face"
)
"""Subjects in the look of the style data set that aren't in it, for measuring."""

NEGATIVES = (
    "cat face, red apple, penguin, automobile, sunflower, hamburger, owl, house building, strawberry, frog face, "
    "rocket, birthday cake, tulip, guitar, crown, mushroom, bell, banana, snowman without snow, wrapped present, "
    "turtle, tiger face, airplane, pear"
)
"""Subjects of the pairs."""

RISO_SIDES = (96, 128, 160, 192)
RISO_ENDINGS = (".png", ".jpg", ".webp")


def names(listed: str) -> list[str]:
    """The names of emoji in a comma-separated list."""
    return [name.strip() for name in listed.split(",")]


@cache
def fox(packages: Path) -> Image.Image:
    """The subject as RGBA without margin."""
    return world.picture_of(packages, "fox face", "noto").cutout()


@cache
def riso(packages: Path, emoji_name: str) -> Image.Image:
    """A subject of the narrow world as a print, RGBA without margin."""
    return riso_print(world.picture_of(packages, emoji_name, "noto").cutout())


def write_fox(packages: Path, folder: Path) -> None:
    """The subject data set: 16 pictures with captions."""
    for shot in FOX:
        if shot.transparent:
            image = shot.pose.layer(fox(packages), shot.size)
        else:
            image = shot.pose.picture(fox(packages), shot.background, shot.size)
        save(image, folder / shot.file, stored_rotated=shot.stored_rotated)
        write_caption(folder / shot.file, shot.caption)


def write_riso(packages: Path, folder: Path) -> None:
    """The style data set: 30 pictures with captions, each background twice."""
    rng = random.Random(5)
    backgrounds = list(world.BACKGROUNDS) * 2
    for number, name in enumerate(names(RISO)):
        background = backgrounds[number * 7 % len(backgrounds)]
        pose = Pose(rng.uniform(0.80, 0.90), (rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)))
        side = RISO_SIDES[number % len(RISO_SIDES)]
        image = pose.picture(riso(packages, name), background, (side, side))
        spoken = world.SPOKEN.get(name, name)
        path = folder / f"{spoken}{RISO_ENDINGS[number % len(RISO_ENDINGS)]}"
        save(image.quantize(64) if path.suffix == ".png" else image, path)
        write_caption(
            path, f"a [trigger] style emoji of {world.article(spoken)} on {world.article(background)} background"
        )


def write_negatives(packages: Path, folder: Path) -> None:
    """The pairs: 24 pictures in all three styles of art, on changing backgrounds, and their negatives."""
    rng = random.Random(7)
    styles, backgrounds = list(world.PACKAGES), list(world.BACKGROUNDS)
    for part in ("control", "target"):
        (folder / part).mkdir()
    for number, name in enumerate(names(NEGATIVES)):
        cutout = world.picture_of(packages, name, styles[number % len(styles)]).cutout()
        pose = Pose(rng.uniform(0.78, 0.90), (rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.04)))
        before = pose.picture(cutout, backgrounds[number % len(backgrounds)])
        file = f"{world.SPOKEN.get(name, name)}.webp"
        save(before, folder / "control" / file)
        save(ImageOps.invert(before), folder / "target" / file)


def save(image: Image.Image, path: Path, *, stored_rotated: bool = False) -> None:
    """Write a picture in the format of its ending, whatever its case."""
    options: dict = {".png": dict(optimize=True), ".webp": dict(quality=92, method=6)}.get(
        path.suffix.lower(), dict(quality=92, subsampling=0)
    )
    if stored_rotated:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise to show
        options["exif"] = exif
    data = io.BytesIO()
    image.save(data, Image.registered_extensions()[path.suffix.lower()], **options)
    path.write_bytes(data.getvalue())


def write_caption(picture: Path, caption: str) -> None:
    picture.with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="the folder node_modules")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "datasets")
    args = parser.parse_args()
    for name, write in (("fox", write_fox), ("riso", write_riso), ("negatives", write_negatives)):
        folder = args.out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write(args.packages, folder)
        print(f"{folder}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
