"""What a file is, by its first bytes rather than by its ending."""

from __future__ import annotations

HEAD_BYTES = 512
"""How much of a file's start `file_type` looks at."""

READABLE = ("PNG", "JPEG", "WebP", "BMP", "GIF", "TIFF", "AVIF", "HEIC")
"""Types of pictures that can be decoded; AVIF and HEIC where Pillow or pillow-heif can."""

_RAW_ENDINGS = (".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".x3f")
_CACHE_ENDINGS = (".npz", ".npy", ".pt", ".safetensors", ".pkl")
"""Latents and encoded captions that trainers keep beside pictures; some are zip archives inside."""
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"gimp xcf", "GIMP"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"\0\0\x01\0", "icon"),
    (b"%!PS", "PostScript"),
    (b"%PDF-", "PDF"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"PK\x03\x04", "archive"),
    (b"Rar!", "archive"),
    (b"7z\xbc\xaf'\x1c", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"version https://git-lfs", "Git LFS pointer"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_BITMAP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_REASONS = {
    "HEIC": "it is a HEIC picture; install pillow-heif to read it (pip install pillow-heif), or save it as JPEG",
    "AVIF": "it is an AVIF picture, which this Pillow can't read; update Pillow, or save it as JPEG",
    "camera raw": "it is a camera's raw file; develop it to JPEG or PNG",
    "video": "it is a video; only still pictures are used",
    "archive": "it is an archive; unpack it, or load it by its own path if it is a zip",
    "cache": "it is a cache of another trainer",
    "Git LFS pointer": "it is a Git LFS pointer to a file that wasn't downloaded; run git lfs pull",
    "web page": "it is a web page, as failed downloads leave them; download it again",
}


def file_type(head: bytes) -> str | None:
    """The type of a file that begins with these bytes, such as ``PNG``, ``HEIC`` or ``video``; ``None`` if unknown."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF":
        return {b"WEBP": "WebP", b"AVI ": "video"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _of_brands(head[8:12], head[16 : int.from_bytes(head[:4], "big")])
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return "BMP"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "web page"
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "SVG"
    return None


def _of_brands(major: bytes, compatible: bytes) -> str:
    """Type of an ISO base media file; AVIF and HEIC may have the general brand ``mif1``."""
    brands = [major, *(compatible[at : at + 4] for at in range(0, len(compatible), 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    if major == b"crx ":
        return "camera raw"
    return "HEIC" if any(brand in _HEIC_BRANDS for brand in brands) else "video"


def is_raw(name: str) -> bool:
    """Whether a name is that of a camera's raw file; many are TIFF inside, with a thumbnail as the first picture."""
    return name.lower().endswith(_RAW_ENDINGS)


def why_unreadable(head: bytes) -> str:
    """Why a file that should be a picture can't be read, from its first bytes, and what to do."""
    if not head:
        return "the file is empty"
    kind = file_type(head)
    if kind is None or (kind in READABLE and kind not in _REASONS):
        return "it isn't a picture in a known format"
    article = "an" if kind[0] in "AEIOi" or kind == "SVG" else "a"
    return _REASONS.get(kind, f"it is {article} {kind} file; save it as PNG or JPEG")


def why_unused(name: str, head: bytes) -> str:
    """Why a file that isn't taken for a picture, caption or mask isn't used."""
    if is_raw(name):
        return _REASONS["camera raw"]
    if name.lower().endswith(_CACHE_ENDINGS):
        return _REASONS["cache"]
    kind = file_type(head)
    if kind is None:
        return "it isn't a picture, a caption or a mask"
    return why_unreadable(head)
