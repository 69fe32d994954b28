"""A made-up character, drawn from nothing: a small robot with a screen for a face, in five expressions and five poses.

Its face shows the expression, and its arms and head the pose, each apart from the other, so that an adapter can learn
them apart too.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

SHELL = (255, 138, 52)
DARK = (206, 92, 24)
SCREEN = (30, 36, 56)
GLOW = (120, 240, 220)

EXPRESSIONS = ("happy", "sad", "angry", "surprised", "sleepy")
POSES = ("standing", "waving", "cheering", "shrugging", "tilted")

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
    head = _head(expression)
    if pose == "tilted":
        head = head.rotate(16, Image.Resampling.BICUBIC, center=(256, 300))
    canvas.alpha_composite(head)
    return canvas.crop(canvas.getchannel("A").getbbox())


def _legs(draw: ImageDraw.ImageDraw) -> None:
    for left in (192, 272):
        draw.rounded_rectangle((left, 430, left + 48, 500), 20, fill=DARK)


def _arms(draw: ImageDraw.ImageDraw, pose: str) -> None:
    """Where the hands are, left and right of the picture."""
    hands = {
        "standing": ((128, 442), (384, 442)),
        "waving": ((128, 442), (462, 260)),
        "cheering": ((50, 250), (462, 250)),
        "shrugging": ((70, 372), (442, 372)),
        "tilted": ((128, 442), (384, 442)),
    }[pose]
    for shoulder, hand in zip(((196, 370), (316, 370)), hands, strict=True):
        draw.line([shoulder, hand], fill=DARK, width=44)
        draw.ellipse([hand[0] - 34, hand[1] - 34, hand[0] + 34, hand[1] + 34], fill=SHELL)


def _head(expression: str) -> Image.Image:
    layer = Image.new("RGBA", (SIDE, SIDE))
    draw = ImageDraw.Draw(layer)
    draw.line([(256, 70), (256, 30)], fill=DARK, width=20)
    draw.ellipse((228, 6, 284, 62), fill=GLOW)
    draw.rounded_rectangle((88, 66, 424, 342), 76, fill=SHELL)
    draw.rounded_rectangle((122, 104, 390, 308), 52, fill=SCREEN)
    _FACES[expression](draw)
    return layer


def _happy(draw: ImageDraw.ImageDraw) -> None:
    for x in (192, 320):
        draw.arc((x - 36, 146, x + 36, 218), 180, 360, fill=GLOW, width=_LINE)
    draw.chord((186, 196, 326, 292), 0, 180, fill=GLOW)


def _sad(draw: ImageDraw.ImageDraw) -> None:
    for x in (192, 320):
        draw.ellipse((x - 26, 156, x + 26, 208), fill=GLOW)
        draw.rounded_rectangle((x - 12, 214, x + 12, 282), 12, fill=(70, 150, 255))
    draw.arc((216, 240, 296, 320), 190, 350, fill=GLOW, width=_LINE)


def _angry(draw: ImageDraw.ImageDraw) -> None:
    red = (255, 76, 70)
    draw.line([(146, 146), (226, 192)], fill=red, width=30)
    draw.line([(366, 146), (286, 192)], fill=red, width=30)
    draw.rounded_rectangle((192, 240, 320, 272), 14, fill=red)


def _surprised(draw: ImageDraw.ImageDraw) -> None:
    for x in (188, 324):
        draw.ellipse((x - 38, 132, x + 38, 208), outline=GLOW, width=_LINE)
    draw.ellipse((224, 222, 288, 296), fill=GLOW)


def _sleepy(draw: ImageDraw.ImageDraw) -> None:
    for x in (188, 324):
        draw.rounded_rectangle((x - 42, 182, x + 42, 204), 10, fill=GLOW)
    draw.ellipse((240, 242, 272, 274), fill=GLOW)


_FACES = {"happy": _happy, "sad": _sad, "angry": _angry, "surprised": _surprised, "sleepy": _sleepy}
