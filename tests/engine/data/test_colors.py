"""Pictures with a color profile look as they should: converted to sRGB."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from lora_workbench.engine.data.images import decode, read_header
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.mask_pixels import decode_mask
from PIL import Image, ImageCms, PngImagePlugin

PRIMARIES = {
    "sRGB": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    "Display P3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    "Adobe RGB": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
}
WHITE = (0.3127, 0.3290)
D50 = (0.9642, 1.0, 0.8249)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
COLORS = [(200, 60, 40), (40, 160, 60), (60, 80, 190), (235, 190, 160), (128, 128, 128), (0, 0, 0), (255, 255, 255)]
"""In sRGB."""


SPACES = [("Display P3", 2.2), ("Adobe RGB", 563 / 256), ("sRGB", 2.2), ("Adobe RGB", 1.8)]
"""With their gammas."""


def xyz(xy: tuple[float, float]) -> np.ndarray:
    return np.array([xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]])


def to_xyz(space: str) -> np.ndarray:
    """From linear RGB to XYZ under D50, by Bradford's adaptation."""
    columns = np.stack([xyz(primary) for primary in PRIMARIES[space]], axis=1)
    matrix = columns * np.linalg.solve(columns, xyz(WHITE))
    scale = np.diag((BRADFORD @ np.array(D50)) / (BRADFORD @ xyz(WHITE)))
    return np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ matrix


def profile(space: str, gamma: float, color_space: bytes = b"RGB ") -> bytes:
    """An ICC profile, version 2, of three primaries (or gray) and one gamma; after ICC.1:2001-04."""

    def fixed(values) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + fixed(D50),
    }
    if color_space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, column in zip(b"rgb", to_xyz(space).T, strict=True):
            tags[bytes([name]) + b"XYZ"] = b"XYZ " + bytes(4) + fixed(column)
            tags[bytes([name]) + b"TRC"] = curve
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += padded
    head = struct.pack(">III", start + len(body), 0, 0x02400000) + b"mntr" + color_space + b"XYZ " + bytes(12)
    head += b"acsp" + bytes(28) + fixed(D50) + bytes(48)
    return head + table + body


def as_stored(space: str, gamma: float) -> np.ndarray:
    """The values that stand for ``COLORS`` in another space, 0 to 255."""
    srgb = np.array(COLORS) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    other = np.linalg.solve(to_xyz(space), to_xyz("sRGB") @ linear.T).T
    return (255 * other.clip(0, 1) ** (1 / gamma)).round().astype(np.uint8)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(("space", "gamma"), SPACES)
@pytest.mark.parametrize("transparent", [False, True])
def test_colors_of_any_profile_are_those_that_were_meant(encode, file_format, space, gamma, transparent):
    image = Image.fromarray(as_stored(space, gamma)[None])
    if transparent:
        image.putalpha(255)
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    shown = np.asarray(decode(encode(image, file_format, icc_profile=profile(space, gamma), **options), "a"))[0]
    assert np.abs(shown.astype(int) - np.array(COLORS)).max() <= 4


def test_pictures_tagged_as_srgb_keep_every_value(encode):
    values = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    tag = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(np.asarray(decode(encode(Image.fromarray(values), icc_profile=tag), "a")), values)


def test_gray_and_16_bit_pictures_are_converted_too(encode):
    gray = profile("sRGB", 1.0, b"GRAY")
    for image in (Image.new("L", (4, 4), 55), Image.fromarray(np.full((4, 4), 55 * 257, np.uint16))):
        red = decode(encode(image, icc_profile=gray), "a").getpixel((0, 0))[0]
        assert abs(red - 128) <= 3, "a fifth of the light is middle gray"


def test_adobe_rgb_is_known_from_exif_alone(encode):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    image = Image.fromarray(as_stored("Adobe RGB", 563 / 256)[None].repeat(8, 0).repeat(8, 1))
    shown = np.asarray(decode(encode(image, "JPEG", exif=exif, quality=100, subsampling=0), "a"))[4, 4::8]
    assert np.abs(shown.astype(int) - np.array(COLORS)).max() <= 6


def test_masks_keep_their_values_whatever_their_profile(encode):
    data = encode(Image.new("L", (4, 4), 55), icc_profile=profile("sRGB", 1.0, b"GRAY"))
    assert decode_mask(data, "a", "gray").getpixel((0, 0)) == 55


@pytest.mark.parametrize(
    ("image", "options", "said"),
    [
        (Image.new("RGB", (8, 8), "red"), {"icc_profile": b"no profile"}, "profile can't be used"),
        (Image.new("RGB", (8, 8), "red"), {"icc_profile": profile("sRGB", 2.2, b"GRAY")}, "profile can't be used"),
        (Image.new("CMYK", (8, 8)), {"file_format": "TIFF"}, "CMYK without a profile"),
    ],
)
def test_colors_that_cannot_be_converted_are_told(encode, image, options, said):
    data = encode(image, **options)
    decode(data, "a")
    assert [said in note for note in read_header(data, "a").notes] == [True]


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        (b"gAMA", struct.pack(">I", 100_000), "gamma of 1"),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000), "chromaticities"),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000), ""),
        (b"cICP", bytes([12, 13, 0, 1]), "Display P3"),
        (b"cICP", bytes([9, 16, 0, 1]), "BT.2020, HDR with the curve PQ"),
        (b"cICP", bytes([1, 13, 0, 1]), ""),
    ],
)
def test_colors_of_a_png_that_are_not_applied_are_told(encode, kind, content, said):
    data, chunk = encode("red"), kind + content
    tagged = data[:33] + struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    assert [said in note for note in read_header(tagged, "a").notes] == ([True] if said else [])


@pytest.mark.parametrize(
    ("primaries", "curve", "said"), [(9, 16, "PQ"), (9, 18, "HLG"), (12, 13, "Display P3"), (1, 13, ""), (2, 2, "")]
)
def test_colors_of_an_avif_by_codes_alone_are_told(encode, primaries, curve, said):
    data = encode("red", "AVIF")
    at = data.index(b"colrnclx") + 8
    tagged = data[:at] + struct.pack(">HH", primaries, curve) + data[at + 4 :]
    assert [said in note for note in read_header(tagged, "a").notes] == ([True] if said else [])


def test_whole_pictures_with_much_text_or_a_large_profile_are_read(encode, write_folder):
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 3_000_000, zip=True)
    text.add_itxt("prompt", "y" * 3_000_000, zip=True)
    text.add_text("parameters", "z" * 70_000_000)
    large = profile("Display P3", 2.2)
    large = struct.pack(">I", len(large) + 3_000_000) + large[4:] + bytes(3_000_000)
    buffer = io.BytesIO()
    Image.new("RGB", (24, 16), (200, 60, 40)).save(buffer, "PNG", pnginfo=text)
    tagged = encode(Image.new("RGB", (24, 16), (200, 60, 40)), icc_profile=large)
    dataset = load_dataset(write_folder({"a.png": buffer.getvalue(), "b.png": tagged}))
    assert dataset.skipped == ()
    assert dataset.records[0].load().getpixel((0, 0)) == (200, 60, 40)
    assert dataset.records[1].load().getpixel((0, 0))[0] > 205, "converted from the profile"


def test_pillow_warns_nobody(encode, write_folder):
    image = Image.new("P", (8, 8))
    image.putpalette([10, 20, 30, 200, 100, 50])
    odd = encode(image, "PNG", transparency=b"\x01\x02")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        load_dataset(write_folder({"a.png": odd})).records[0].load()
    assert [str(warning.message) for warning in seen] == []
