"""Folders and archives that are damaged, odd or meant to do harm, by name."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from PIL import Image

Build = Callable[[Path], Path]
"""Makes the input below an empty folder and returns what to load."""

FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tiff": "TIFF"}
ODD_NAMES = (
    "a\nb.png", "a\x1b[31m.png", "\u202egnp.exe.png", "con.png", "x" * 240 + ".png", "a.png.png", " .png", "..png",
    "-rf.png", "$(id).png", "%s%n.png", "é" * 60 + ".png", "😀.png", "a;b.png", "{x}.png", "[trigger].png", "~.png",
)  # fmt: skip


def data_sets() -> dict[str, Build]:
    """All inputs."""
    found: dict[str, Build] = {}
    for made in (_damaged_pictures(), _odd_pictures(), _odd_captions(), _odd_names(), _odd_folders(), _archives()):
        found |= dict(made)
    return found


def picture(file_format: str = "PNG", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    """A noisy picture."""
    image = Image.effect_noise(size, 80).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def folder(files: Mapping[str, bytes], *, good: bool = True) -> Build:
    """A folder with these files, and one good picture."""

    def build(root: Path) -> Path:
        for name, content in (dict(files) | ({"good.png": picture()} if good else {})).items():
            path = root / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root / "set"

    return build


def archive(files: Mapping[str, bytes], change: Callable[[bytes], bytes] = bytes) -> Build:
    """An archive of these files and one good picture, whose bytes are changed afterwards."""

    def build(root: Path) -> Path:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
            for name, content in ({"good.png": picture()} | dict(files)).items():
                target.writestr(name, content)
        path = root / "set.zip"
        path.write_bytes(change(buffer.getvalue()))
        return path

    return build


def flipped(data: bytes, seed: int, count: int = 8) -> bytes:
    """The data with some bytes changed behind its signature."""
    rng, changed = random.Random(seed), bytearray(data)
    for _ in range(count):
        changed[rng.randrange(4, len(changed))] = rng.randrange(256)
    return bytes(changed)


def _damaged_pictures() -> Iterator[tuple[str, Build]]:
    for ending, file_format in FORMATS.items():
        data = picture(file_format)
        for share in (0.02, 0.3, 0.7, 0.99):
            yield f"{ending} cut at {share}", folder({f"a.{ending}": data[: int(len(data) * share)]})
        for seed in range(3):
            yield f"{ending} with changed bytes {seed}", folder({f"a.{ending}": flipped(data, seed)})
        yield f"{ending} with bytes behind", folder({f"a.{ending}": data + bytes(range(256))})
        yield f"{ending} with another ending", folder({"a.txt": data, "b.json": data, "c": data})


def _odd_pictures() -> Iterator[tuple[str, Build]]:
    data, noise = picture(), random.Random(0).randbytes(5000)
    ihdr, rest, end = data[:33], data[33:], png_chunk(b"IEND", b"")
    bomb = zlib.compress(bytes(200_000_000), 9)

    def header(width: int, height: int) -> bytes:
        return data[:8] + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))

    def with_chunk(kind: bytes, body: bytes) -> bytes:
        return ihdr + png_chunk(kind, body) + rest

    pictures = {
        "png of no pixels": header(0, 0) + rest,
        "png of too many pixels": header(2**31 - 1, 2**31 - 1) + rest,
        "png that says more than it has": header(9000, 9000) + rest,
        "png whose pixels are a bomb": header(9999, 9999) + png_chunk(b"IDAT", bomb) + end,
        "png with a bomb of text": with_chunk(b"zTXt", b"x\0\0" + bomb),
        "png with a bomb of XMP": with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb[:60_000]),
        "png with a bomb of a profile": with_chunk(b"iCCP", b"x\0\0" + bomb),
        "png with a profile of noise": with_chunk(b"iCCP", b"x\0\0" + zlib.compress(noise)),
        "png of many chunks": ihdr + png_chunk(b"tEXt", b"a\0b") * 100_000 + rest,
        "gif of many frames": _gif(3000),
        "tiff in a circle": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "tiff with an endless tag": b"II*\0\x08\0\0\0\1\0\0\1\4\0\xff\xff\xff\xff\x08\0\0\0\0\0\0\0",
        "jpeg of too many pixels": b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\3\1\x11\0\2\x11\0\3\x11\0\xff\xd9",
        "webp that lies about its size": b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff" + bytes(50),
        "bmp of negative height": b"BM" + struct.pack("<IHHIIiiHH6I", 54, 0, 0, 54, 40, 9, -(2**31), 1, 24, *bytes(6)),
        "heic of noise": b"\0\0\0\x18ftypheic" + noise,
        "avif of noise": b"\0\0\0\x18ftypavif" + noise,
        "svg that explodes": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "' + b"x" * 999 + b'">]><svg>&a;</svg>',
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    }  # fmt: skip
    for name, content in pictures.items():
        yield name, folder({"a.png": content})
    sizes = {"a.png": (1, 1), "b.png": (1, 3000), "c.png": (3000, 1)}
    yield "one pixel", folder({name: picture(size=size) for name, size in sizes.items()})
    yield "nothing but empty files", folder({f"{n}.png": b"" for n in range(20)}, good=False)
    for seed in range(12):
        noise = random.Random(seed).randbytes(500)
        yield f"noise {seed}", folder({"a.png": noise, "b.jpg": b"\xff\xd8\xff" + noise})


def _gif(frames: int) -> bytes:
    buffer = io.BytesIO()
    images = [Image.new("P", (2, 2), n % 2) for n in range(frames)]
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], optimize=False)
    return buffer.getvalue()


def _odd_captions() -> Iterator[tuple[str, Build]]:
    texts = {
        "zero bytes": b"a\0b",
        "utf-16 of odd length": b"\xff\xfea\0b",
        "utf-16 surrogates": b"\xff\xfe\0\xd8",
        "utf-32": "fox".encode("utf-32"),
        "latin-1": b"gr\xfcn",
        "control characters": b"\x1b[31mred\x07\x08",
        "right to left": "\u202efox".encode(),
        "a million letters": b"x" * 1_000_000,
        "only marks": "\ufeff\u200b".encode(),
        "many lines": b"\n" * 60_000,
        "placeholders": b"{trigger}{class}[trigger]{{}}%s%(x)s",
        "emoji": ("\U0001f98a" * 900).encode(),
    }
    tables = {
        "deep lists": b"[" * 1_000_000,
        "deep objects": b'{"a":' * 100_000,
        "NaN": b'{"good.png": NaN}',
        "numbers": b'{"good.png": 1e999999}',
        "digits": b'{"good.png": ' + b"9" * 5000 + b"}",
        "a string": b'"fox"',
        "null": b"null",
        "surrogates": b'{"good.png": "\\ud800"}',
        "odd keys": b'{"": "x", "..": "y", "/": "z", "good.png": "w"}',
        "twice the same key": b'{"good.png": "a", "good.png": "b"}',
        "outside": b'{"../../good.png": "a"}',
        "lists of lists": json.dumps([[["x"]]] * 1000).encode(),
        "texts that are objects": b'{"good.png": {"caption": {"a": 1}}}',
        "a workflow": b'{"nodes": [], "links": [], "version": 0.4}',
        "half": b'{"good.png": "a"',
    }
    separated = {
        "one column": b"file_name\ngood.png\n",
        "open quotes": b'file_name,text\n"good.png',
        "a long field": b"file_name,text\ngood.png," + b"x" * 300_000,
        "zero bytes": b"file_name,text\ngood.png,a\0b\n",
        "other delimiters": b"file_name;text\ngood.png;a\n",
        "no rows": b"file_name,text\n",
    }
    for name, text in texts.items():
        for ending in ("txt", "caption"):
            yield f"{ending} of {name}", folder({f"good.{ending}": text})
    for name, text in tables.items():
        yield f"json of {name}", folder({"captions.json": text})
        yield f"jsonl of {name}", folder({"metadata.jsonl": text})
    for name, text in separated.items():
        yield f"csv of {name}", folder({"metadata.csv": text})


def _odd_names() -> Iterator[tuple[str, Build]]:
    for number, name in enumerate(ODD_NAMES):
        yield f"odd name {number}", folder({name: picture(), f"sub/{name}": picture()})
    yield "names that are no text", folder({os.fsdecode(b"caf\xe9.png"): picture(), os.fsdecode(b"\xff\xfe.txt"): b"x"})
    yield "deep folders", folder({"/".join(["d"] * 200) + "/a.png": picture()})
    yield "many files", folder({f"{n % 50}/{n}.txt": b"x" for n in range(3000)})


def _odd_folders() -> Iterator[tuple[str, Build]]:
    def linked(name: str, target: str) -> Build:
        def build(root: Path) -> Path:
            path = folder({})(root)
            (path / name).symlink_to(target)
            return path

        return build

    def piped(root: Path) -> Path:
        path = folder({})(root)
        for name in ("a.png", "a.txt", "b.json", "c"):
            os.mkfifo(path / name)
        return path

    def nested(root: Path) -> Path:
        path = folder({"a.png/b.png": picture(), "c.txt/d.txt": b"x"})(root)
        (path / "metadata.jsonl").mkdir()
        return path

    for name in ("a.png", "good.txt", "b", "captions.json"):
        yield f"{name} is /dev/zero", linked(name, "/dev/zero")
        yield f"{name} is nowhere", linked(name, "/nowhere/at/all")
        yield f"{name} is itself", linked(name, name)
    yield "the folder is in itself", linked("loop", ".")
    yield "the caption is a secret", linked("good.txt", "/etc/passwd")
    yield "pipes", piped
    yield "folders with the names of files", nested


def _archives() -> Iterator[tuple[str, Build]]:
    bomb = bytes(300_000_000)
    yield "archive of a bomb with a picture's name", archive({"a.png": bomb})
    yield (
        "archive of bombs of captions",
        archive({f"{n}.png": picture() for n in range(40)} | {f"{n}.txt": b"x" * 15_000_000 for n in range(40)}),
    )
    yield "archive of a bomb of metadata", archive({"metadata.jsonl": b"0\n" * 8_000_000})
    yield "archive of a bomb with a table's name", archive({"metadata.csv": b"file_name,text\n" + b"a,b\n" * 4_000_000})
    yield "archive of an archive", archive({"b.zip": b"PK\x03\x04" + bytes(100)})
    yield "archive of many members", archive({f"{n}.txt": b"" for n in range(20_000)})
    for number, name in enumerate(
        ("../a.png", "/a.png", "C:\\a.png", "..\\a.png", "a/../../b.png", "x" * 400 + ".png", "a\nb.png", "con.png")
    ):
        yield f"archive with the name {number}", archive({name: picture()})
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as target:
        for number in range(5):
            target.writestr(f"{number}.png", picture())
            target.writestr(f"{number}.txt", "a fox")
    data = whole.getvalue()
    for share in (0.1, 0.5, 0.9, 0.99):
        yield f"archive cut at {share}", archive({}, lambda _, share=share: data[: int(len(data) * share)])
    for seed in range(25):
        yield f"archive with changed bytes {seed}", archive({}, lambda _, seed=seed: flipped(data, seed, 30))
    yield "archive of nothing", archive({}, lambda _: b"PK\x05\x06" + bytes(18))
    yield "archive that is a text", archive({}, lambda _: b"no archive")
