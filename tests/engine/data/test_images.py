"""Size, pixels and soundness of encoded pictures."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib

import numpy as np
import pillow_heif
import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data import limits, opening
from lora_workbench.engine.data.images import check_complete, decode, probe
from PIL import Image, ImageFile

FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF"]
pillow_heif.register_heif_opener()
ORIENTATION = 0x0112


@pytest.fixture
def halves() -> Image.Image:
    """24 x 16 pixels, red on the left and blue on the right."""
    image = Image.new("RGB", (24, 16), "red")
    image.paste("blue", (12, 0, 24, 16))
    return image


@pytest.fixture
def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 255, (64, 96, 3), dtype=np.uint8))


def needs(file_format: str) -> None:
    if file_format == "AVIF" and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow has no AVIF")


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG of that size: signature, header, and a first piece of pixel data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def nearly(image: Image.Image, xy: tuple[int, int], color: tuple[int, int, int], within: int = 12) -> bool:
    return all(abs(a - b) <= within for a, b in zip(image.getpixel(xy), color, strict=True))


@pytest.mark.parametrize("file_format", FORMATS)
def test_each_format_is_measured_and_decoded(encode, halves, file_format):
    needs(file_format)
    data = encode(halves, file_format)
    assert probe(data, "a") == (24, 16)
    check_complete(data, "a")
    image = decode(data, "a")
    assert (image.mode, image.size) == ("RGB", (24, 16))
    assert nearly(image, (2, 8), (255, 0, 0))
    assert nearly(image, (21, 8), (0, 0, 255))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(("orientation", "red"), [(3, (21, 8)), (6, (8, 2)), (8, (8, 21))])
def test_exif_rotation_turns_size_and_pixels(encode, halves, file_format, orientation, red):
    needs(file_format)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encode(halves, file_format, exif=exif)
    image = decode(data, "a")
    assert image.size == probe(data, "a") == ((24, 16) if orientation == 3 else (16, 24))
    assert nearly(image, red, (255, 0, 0))
    assert nearly(image, (image.width - 1 - red[0], image.height - 1 - red[1]), (0, 0, 255))


def test_exif_behind_the_pixels_of_a_png_counts_too(encode, halves):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encode(halves, "PNG", exif=exif)
    at = data.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(data[at : at + 4], "big")
    moved = data[:at] + data[end:-12] + data[at:end] + data[-12:]
    assert probe(moved, "a") == decode(moved, "a").size == (16, 24)


def test_damaged_exif_does_not_cost_the_picture(encode, halves):
    data = encode(halves, "JPEG", exif=b"Exif\0\0neither big nor little")
    assert probe(data, "a") == decode(data, "a").size == (24, 16)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_alpha_is_flattened_onto_white(encode, mode, file_format):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    image.paste((0, 0, 0, 128), (0, 4, 4, 8))
    flat = decode(
        encode(image.convert(mode), file_format, **({"lossless": True} if file_format == "WEBP" else {})), "a"
    )
    assert flat.mode == "RGB"
    assert flat.getpixel((1, 1)) == (0, 0, 0)
    assert nearly(flat, (1, 6), (127, 127, 127), within=1)
    assert flat.getpixel((6, 1)) == (255, 255, 255)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_transparent_palette_colors_become_white(encode, file_format):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(0, (0, 0, 4, 8))
    flat = decode(encode(image, file_format, transparency=0), "a")
    assert flat.getpixel((1, 1)) == (255, 255, 255)
    assert flat.getpixel((6, 1)) == (200, 100, 50)


def test_opaque_palettes_and_single_bits_are_resolved(encode):
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    assert decode(encode(palette), "a").getpixel((0, 0)) == (200, 100, 50)
    assert decode(encode(Image.new("1", (4, 4), 1)), "a").getpixel((0, 0)) == (255, 255, 255)
    assert decode(encode(Image.new("L", (4, 4), 77)), "a").getpixel((0, 0)) == (77, 77, 77)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bits_are_scaled_and_not_cut_off(encode, file_format):
    ramp = Image.fromarray(np.array([[0, 257, 32896, 65535]], dtype=np.uint16))
    assert [p[0] for p in np.asarray(decode(encode(ramp, file_format), "a"))[0]] == [0, 1, 128, 255]


def test_cmyk_keeps_its_colors(encode, halves):
    for file_format in ("JPEG", "TIFF"):
        image = decode(encode(halves.convert("CMYK"), file_format), "a")
        assert nearly(image, (2, 8), (255, 0, 0), within=40)
        assert nearly(image, (21, 8), (0, 0, 255), within=40)


def test_floating_point_pixels_are_refused_by_name(encode):
    with pytest.raises(DatasetError, match=r"depth\.tif.*floating-point"):
        decode(encode(Image.new("F", (4, 4), 0.5), "TIFF"), "depth.tif")


def test_the_first_frame_of_an_animation_counts(encode):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data, "a").getpixel((4, 4)) == (255, 0, 0)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_picture_cut_short_is_refused_by_name(encode, noise, file_format, share):
    needs(file_format)
    data = encode(noise, file_format)
    for check in (check_complete, decode):
        with pytest.raises(DatasetError, match=r"sub/cut\.pic") as caught:
            check(data[: int(len(data) * share)], "sub/cut.pic")
        assert caught.value.hint


def test_another_extension_that_tolerates_half_pictures_changes_nothing(encode, noise, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = encode(noise, "JPEG")
    for check in (check_complete, decode):
        with pytest.raises(DatasetError):
            check(data[: len(data) // 2], "cut.jpg")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture(encode, noise):
    thumbnail = encode(noise.resize((32, 24)), "JPEG")
    data = encode(noise, "JPEG")
    header = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    with_thumbnail = data[:2] + header + data[2:]
    check_complete(with_thumbnail, "a.jpg")
    with pytest.raises(DatasetError):
        check_complete(with_thumbnail[: -len(data) // 2], "a.jpg")


def test_what_a_camera_appends_to_a_jpeg_does_no_harm(encode, noise):
    data = encode(noise, "JPEG") + b"a film of two seconds"
    check_complete(data, "a.jpg")
    assert decode(data, "a.jpg").size == (96, 64)


def test_a_changed_byte_in_a_png_is_noticed_without_decoding(encode, noise):
    data = bytearray(encode(noise))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(DatasetError, match=r"a\.png"):
        check_complete(bytes(data), "a.png")


@pytest.mark.parametrize("data", [b"", b"no picture at all", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture_is_refused_by_name(data):
    for check in (probe, check_complete, decode):
        with pytest.raises(DatasetError, match=r"odd\.png"):
            check(data, "odd.png")


def test_20000_by_20000_pixels_are_refused_from_the_header():
    data = png_header(20_000, 20_000)
    tracemalloc.start()
    started = time.process_time()
    for check in (probe, check_complete, decode):
        with pytest.raises(DatasetError, match=r"huge\.png: the picture is too large") as caught:
            check(data, "huge.png")
        assert "100 megapixels" in caught.value.expected
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - started < 2
    assert peak < 10_000_000


def test_the_bound_is_ours_and_not_pillows(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert probe(png_header(10_000, 10_000), "a.png") == (10_000, 10_000)
    with pytest.raises(DatasetError, match="10001 x 10000"):
        probe(png_header(10_001, 10_000), "a.png")


def test_probe_reads_the_header_alone(encode, noise):
    data = encode(noise, "JPEG")
    assert probe(data[: len(data) // 2], "a.jpg") == (96, 64)
    assert limits.MAX_PIXELS == 100_000_000


def test_without_its_reader_a_phones_picture_is_named_as_what_it_is(encode, halves, monkeypatch):
    data = encode(halves, "HEIF")
    monkeypatch.setattr(opening, "_formats", lambda: ("PNG", "JPEG"))
    for name in ("phone.heic", "shared.jpg"):
        with pytest.raises(DatasetError, match="HEIC picture; install pillow-heif"):
            decode(data, name)
