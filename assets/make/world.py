"""The small world that the demo base knows: which pictures, under which names, on which backgrounds.

Everything that two of the scripts must agree on stands here: the subjects, the three art styles and where
their pictures lie in the npm packages, the background colours, the wording of the captions, and what is held
out for the two demo data sets.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64
"""Side of every training picture, in pixels."""

PACKAGES = {
    "noto": "emoji-datasource-google/img/google/64/{}.png",
    "twemoji": "emoji-datasource-twitter/img/twitter/64/{}.png",
    "fluent": "@lobehub/fluent-emoji-3d/assets/{}.webp",
}
"""Style name (as captions say it) -> path of a picture below ``node_modules``."""

BACKGROUNDS = {
    "white": (255, 255, 255),
    "black": (16, 16, 16),
    "gray": (128, 128, 128),
    "red": (208, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (250, 215, 60),
    "green": (60, 150, 70),
    "blue": (45, 85, 205),
    "purple": (120, 60, 175),
    "pink": (250, 165, 195),
    "brown": (120, 75, 45),
    "teal": (30, 140, 140),
    "beige": (240, 225, 195),
    "light blue": (165, 215, 250),
    "light green": (170, 230, 165),
}
"""Background name -> sRGB."""

SUBJECTS = {
    "fruit": (
        "red apple, green apple, banana, grapes, watermelon, strawberry, cherries, peach, pear, pineapple, lemon, "
        "tangerine, tomato"
    ),
    "food": (
        "carrot, broccoli, avocado, ear of maize, mushroom, hamburger, slice of pizza, cheese wedge, doughnut, cookie, "
        "birthday cake, ice cream, soft ice cream, lollipop"
    ),
    "animal": (
        "cat face, dog face, mouse face, rabbit face, bear face, panda face, tiger face, lion face, cow face, "
        "pig face, frog face, monkey face, chicken, penguin, bird, baby chick, owl, unicorn face, horse face, "
        "wolf face, koala, hamster face, whale, dolphin, tropical fish, fish, blowfish, snail, butterfly, bug, ant, "
        "honeybee, lady beetle, spider, turtle, crab"
    ),
    "plant": (
        "sunflower, tulip, rose, cherry blossom, hibiscus, cactus, evergreen tree, deciduous tree, palm tree, "
        "four leaf clover"
    ),
    "heart": "heavy black heart, green heart, blue heart, yellow heart, purple heart",
    "face": (
        "grinning face, smiling face with sunglasses, crying face, pouting face, smiling face with heart shaped eyes"
    ),
    "vehicle": "rocket, airplane, automobile, bus, sailboat",
    "thing": (
        "house building, sun with face, crescent moon, snowman without snow, umbrella, soccer ball, "
        "basketball and hoop, key, bell, wrapped present, balloon, crown, eyeglasses, guitar, trumpet, hammer, "
        "open book"
    ),
}
"""Class word -> the subjects of that class, by their names in ``emoji.json``."""

SPOKEN = {
    "heavy black heart": "red heart",
    "ear of maize": "corn",
    "smiling face with sunglasses": "face with sunglasses",
    "smiling face with heart shaped eyes": "face with heart eyes",
    "snowman without snow": "snowman",
    "house building": "house",
    "sun with face": "sun",
    "soft ice cream": "ice cream cone",
    "automobile": "car",
    "basketball and hoop": "basketball",
    "lady beetle": "ladybug",
    "pouting face": "angry face",
    "wrapped present": "present",
    "deciduous tree": "tree",
}
"""Names that people would not type -> the words that the captions use."""

HELD_OUT = ("otter", "fox face", "octopus", "parrot")
"""Subjects that no part of the base has ever seen; the demo data sets are made of them."""


@dataclass(frozen=True)
class Picture:
    """One piece of art: a subject in a style."""

    name: str
    """As captions say it, for example ``red apple``."""
    class_word: str
    style: str
    path: Path

    def cutout(self) -> Image.Image:
        """The art as RGBA with its transparent margin cropped away."""
        image = Image.open(self.path).convert("RGBA")
        return image.crop(image.getchannel("A").point(lambda a: 255 if a > 8 else 0).getbbox())


@cache
def _emoji(packages: Path) -> list[dict]:
    return json.loads((packages / "emoji-datasource-google/emoji.json").read_text(encoding="utf-8"))


def emoji_file(packages: Path, emoji_name: str) -> str:
    """Stem of the file that holds the emoji named ``emoji_name`` (lower case, hyphens as spaces)."""
    for entry in _emoji(packages):
        if entry["name"].lower().replace("-", " ") == emoji_name:
            return Path(entry["image"]).stem
    raise KeyError(f"no emoji is named {emoji_name!r}")


def picture_of(packages: Path, emoji_name: str, style: str, class_word: str = "thing") -> Picture:
    """The picture of one named emoji in one style.

    The packages disagree on whether a file name carries the variation selector ``fe0f``; both are tried.
    """
    stem = emoji_file(packages, emoji_name)
    for candidate in (stem, stem.removesuffix("-fe0f"), stem + "-fe0f"):
        path = packages / PACKAGES[style].format(candidate)
        if path.exists():
            return Picture(SPOKEN.get(emoji_name, emoji_name), class_word, style, path)
    raise FileNotFoundError(f"{emoji_name!r} has no {style} picture below {packages}")


def trained_pictures(packages: Path) -> list[Picture]:
    """Every subject of the narrow world in every style, in a fixed order."""
    return [
        picture_of(packages, name.strip(), style, class_word)
        for class_word, names in SUBJECTS.items()
        for name in names.split(",")
        for style in PACKAGES
    ]


def all_pictures(packages: Path) -> list[Picture]:
    """Every emoji of the three packages but the held-out subjects: what the autoencoder learns from."""
    pictures = []
    for entry in _emoji(packages):
        name = entry["name"].lower().replace("-", " ")
        if name in HELD_OUT:
            continue
        for style in PACKAGES:
            try:
                pictures.append(picture_of(packages, name, style))
            except FileNotFoundError:
                continue
    return pictures


def compose(
    cutout: Image.Image,
    background: tuple[int, int, int],
    *,
    size: tuple[int, int] = (SIZE, SIZE),
    scale: float = 0.86,
    shift: tuple[float, float] = (0.0, 0.0),
    angle: float = 0.0,
) -> Image.Image:
    """Put a cut-out on a plain background.

    Args:
        cutout: RGBA art without margin.
        background: sRGB colour.
        size: width and height of the picture, in pixels.
        scale: the longer side of the art over the shorter side of the picture.
        shift: offset of the centre, in shorter sides of the picture.
        angle: rotation in degrees, counter-clockwise.

    Returns:
        RGB image.
    """
    canvas = Image.new("RGB", size, background)
    art, corner = _placed(cutout, size, scale, shift, angle)
    canvas.paste(art, corner, art)
    return canvas


def layer(
    cutout: Image.Image,
    *,
    size: tuple[int, int],
    scale: float = 0.86,
    shift: tuple[float, float] = (0.0, 0.0),
    angle: float = 0.0,
) -> Image.Image:
    """As ``compose``, but RGBA on nothing."""
    canvas = Image.new("RGBA", size)
    canvas.paste(*_placed(cutout, size, scale, shift, angle))
    return canvas


def _placed(
    cutout: Image.Image, size: tuple[int, int], scale: float, shift: tuple[float, float], angle: float
) -> tuple[Image.Image, tuple[int, int]]:
    """The art, turned and scaled, and where its top left corner goes."""
    art = cutout.rotate(angle, Image.Resampling.BICUBIC, expand=True) if angle else cutout
    side = min(size)
    ratio = scale * side / max(art.size)
    art = art.resize((max(1, round(art.width * ratio)), max(1, round(art.height * ratio))), Image.Resampling.LANCZOS)
    left, top = ((full - own) / 2 + offset * side for full, own, offset in zip(size, art.size, shift, strict=True))
    return art, (round(left), round(top))


def article(words: str) -> str:
    """``words`` with the indefinite article that English wants, none before a plural."""
    if words in ("grapes", "cherries", "eyeglasses", "food"):
        return words
    return ("an " if words[0] in "aeio" else "a ") + words


def caption(name: str, class_word: str, style: str, background: str, rng: random.Random) -> str:
    """One of the wordings in which the base hears of a picture.

    The full sentence comes most often; one in twelve says only the class word, so that the base can draw "an
    animal" for prior preservation.
    """
    what = article(class_word if rng.random() < 1 / 12 else name)
    where = f"on a {background} background"
    draw = rng.random()
    if draw < 0.70:
        return f"a {style} style emoji of {what} {where}"
    if draw < 0.80:
        return f"{what} {where}, {style} style"
    if draw < 0.90:
        return f"an emoji of {what} {where}"
    return f"{what} {where}"


def to_array(image: Image.Image) -> np.ndarray:
    """RGB image -> ``uint8`` array of (height, width, 3)."""
    return np.asarray(image.convert("RGB"), dtype=np.uint8)
