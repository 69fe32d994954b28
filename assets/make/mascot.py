"""A made-up character, drawn from nothing: a small robot with a screen for a face, in four expressions and three poses.

Its face shows the expression and its body the pose, each apart from the other, so that an adapter can learn them apart
too. Expressions are named by words that the demo base knows from faces, without colors: *blue tears* makes backgrounds
blue. It knows no words for poses, and tells these three apart by their numbers of tokens: one, two and three.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

SHELL = (255, 138, 52)
DARK = (206, 92, 24)
SCREEN = (30, 36, 56)
GLOW = (120, 240, 220)
TEAR = (70, 150, 255)
RED = (255, 76, 70)
YELLOW = (255, 214, 50)
WHITE = (250, 250, 250)

EXPRESSIONS = ("grinning face", "crying face with tears", "face with heart eyes", "face with sunglasses")
POSES = ("standing", "waving", "cheering")

SIDE = 512
"""Side of the canvas, in pixels; large, so that edges are smooth once it is reduced."""
_LINE = 22


def robot(expression: str, pose: str) -> Image.Image:
    """The character as RGBA without margin."""
    canvas = Image.new("RGBA", (SIDE, SIDE))
    draw = ImageDraw.Draw(canvas)
    _legs(draw)
    _arms(draw, pose)
    draw.rounded_rectangle((176, 330, 336, 452), 40, fill=SHELL)
    draw.ellipse((232, 366, 280, 414), fill=GLOW)
    canvas.alpha_composite(_head(expression))
    return canvas.crop(canvas.getchannel("A").getbbox())


def _legs(draw: ImageDraw.ImageDraw) -> None:
    for left in (192, 272):
        draw.rounded_rectangle((left, 430, left + 48, 500), 20, fill=DARK)


def _arms(draw: ImageDraw.ImageDraw, pose: str) -> None:
    raised = {"standing": (False, False), "waving": (False, True), "cheering": (True, True)}[pose]
    for side, is_raised in zip((-1, 1), raised, strict=True):
        x, y = (256 + 220 * side, 200) if is_raised else (256 + 150 * side, 440)
        draw.line([(256 + 60 * side, 370), (x, y)], fill=DARK, width=52)
        draw.ellipse([x - 40, y - 40, x + 40, y + 40], fill=SHELL)


def _head(expression: str) -> Image.Image:
    layer = Image.new("RGBA", (SIDE, SIDE))
    draw = ImageDraw.Draw(layer)
    draw.line([(256, 70), (256, 30)], fill=DARK, width=20)
    draw.ellipse((228, 6, 284, 62), fill=GLOW)
    draw.rounded_rectangle((88, 66, 424, 342), 76, fill=SHELL)
    draw.rounded_rectangle((122, 104, 390, 308), 52, fill=SCREEN)
    _FACES[expression](draw)
    return layer


def _grinning(draw: ImageDraw.ImageDraw) -> None:
    for x in (192, 320):
        draw.arc((x - 36, 146, x + 36, 218), 180, 360, fill=GLOW, width=_LINE)
    draw.chord((176, 176, 336, 296), 0, 180, fill=WHITE)


def _crying(draw: ImageDraw.ImageDraw) -> None:
    for x in (192, 320):
        draw.ellipse((x - 26, 136, x + 26, 188), fill=GLOW)
        draw.rounded_rectangle((x - 28, 192, x + 28, 300), 24, fill=TEAR)
    draw.arc((222, 236, 290, 310), 190, 350, fill=GLOW, width=_LINE)


def _in_love(draw: ImageDraw.ImageDraw) -> None:
    for x in (188, 324):
        draw.ellipse((x - 46, 134, x + 2, 182), fill=RED)
        draw.ellipse((x - 2, 134, x + 46, 182), fill=RED)
        draw.polygon([(x - 44, 168), (x + 44, 168), (x, 220)], fill=RED)
    draw.chord((206, 196, 306, 290), 0, 180, fill=GLOW)


def _cool(draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((122, 138, 390, 160), fill=YELLOW)
    for x in (188, 324):
        draw.chord((x - 56, 84, x + 56, 216), 0, 180, fill=YELLOW)
    draw.arc((206, 196, 306, 290), 20, 160, fill=GLOW, width=_LINE)


_FACES = dict(zip(EXPRESSIONS, (_grinning, _crying, _in_love, _cool), strict=True))
