"""Zip archives that try to escape or explode, and the sources that read from them."""

from __future__ import annotations

import io
import re
import stat
import struct
import tracemalloc
import zipfile

import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data import limits
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.sources import FileSource, MemorySource, ZipSource


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("../evil.png", "outside the archive"),
        ("a/../../evil.png", "outside the archive"),
        ("a\\..\\..\\evil.png", "outside the archive"),
        ("__MACOSX/../../evil.png", "outside the archive"),
        ("/etc/evil.png", "absolute"),
        ("\\\\server\\evil.png", "absolute"),
        ("C:\\evil.png", "absolute"),
    ],
)
def test_members_that_point_elsewhere_are_refused(encode, write_zip, tmp_path, member, said):
    path = write_zip({"a.png": encode("red"), member: encode("blue")})
    with pytest.raises(DatasetError, match=said) as caught:
        load_dataset(path)
    assert re.search(r"evil\.png", str(caught.value))
    assert [p.name for p in tmp_path.rglob("*")] == ["pictures.zip"]


def test_all_dangerous_members_are_named_at_once(encode, write_zip):
    with pytest.raises(DatasetError, match=r"(?s)has members that are not allowed.*\.\./one\.png.*/two\.png"):
        load_dataset(write_zip({"../one.png": encode(), "/two.png": encode(), "a.png": encode()}))


def test_a_symbolic_link_is_refused(encode, tmp_path):
    path = tmp_path / "links.zip"
    link = zipfile.ZipInfo("secret.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", encode("red"))
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DatasetError, match=r"secret\.png: it is a symbolic link"):
        load_dataset(path)


def test_two_members_of_one_name_are_refused(encode, tmp_path):
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sub/a.png", encode("red"))
        archive.writestr("sub\\a.png", encode("blue"))
    with pytest.raises(DatasetError, match="two members have this name"):
        load_dataset(path)


def test_encrypted_members_are_refused(encode, write_zip):
    path = write_zip({"a.png": encode("red")})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="encrypted"):
        load_dataset(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bound_are_refused(encode, tmp_path, method):
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.png", encode("red"))
    with pytest.raises(DatasetError, match="uses compression method"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("bound", "value", "said"),
    [("MAX_MEMBERS", 2, "3 members"), ("MAX_FILE_BYTES", 999, "1,000 bytes"), ("MAX_ARCHIVE_BYTES", 2000, "in total")],
)
def test_archives_that_unpack_into_too_much_are_refused(write_zip, monkeypatch, bound, value, said):
    path = write_zip({f"{n}.png": bytes(1000) for n in range(3)})
    monkeypatch.setattr(limits, bound, value)
    with pytest.raises(DatasetError, match=f"too large: .*{said}"):
        load_dataset(path)


def test_the_bounds_are_those_promised():
    assert limits.MAX_FILE_BYTES == 512 * 2**20
    assert limits.MAX_ARCHIVE_BYTES == 16 * 2**30


def test_a_bomb_that_lies_about_its_size_is_held_to_its_word(encode, write_zip):
    path = write_zip({"a.png": encode("red"), "bomb.png": bytes(200_000_000)})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 1000)
    path.write_bytes(data)
    tracemalloc.start()
    dataset = load_dataset(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [r.name for r in dataset] == ["a.png"]
    assert [s.name for s in dataset.skipped] == ["bomb.png"]
    assert peak < 20_000_000


def test_a_damaged_member_is_skipped_and_named(encode, write_zip):
    path = write_zip({"a.png": encode("red"), "b.png": encode("blue")})
    data = bytearray(path.read_bytes())
    data[data.index(b"b.png") + len("b.png") + 20] ^= 0xFF
    path.write_bytes(data)
    dataset = load_dataset(path)
    assert [s.name for s in dataset.skipped] == ["b.png"]
    assert "damaged inside the archive" in dataset.skipped[0].reason


def test_backslashes_and_dots_in_names_are_levelled(encode, write_zip):
    path = write_zip({"sub\\b.png": encode("red"), "sub\\b.txt": "fox", "./a.png": encode("blue")})
    dataset = load_dataset(path)
    assert [(r.name, r.caption) for r in dataset] == [("a.png", None), ("sub/b.png", "fox")]
    assert dataset.records[1].load().getpixel((0, 0)) == (255, 0, 0)


def test_sources_are_values(encode, write_folder, write_zip):
    data = encode("red")
    root, archive = write_folder({"sub/a.png": data}), write_zip({"sub/a.png": data})
    makers = [
        lambda: FileSource(root, "sub/a.png"),
        lambda: ZipSource(archive, "sub/a.png"),
        lambda: MemorySource("sub/a.png", data),
    ]
    for make in makers:
        assert make() == make()
        assert len({make(), make()}) == 1
        assert make().name == "sub/a.png"
        assert make().read() == data


def test_a_source_whose_file_is_gone_says_so_by_name(encode, write_folder, write_zip, monkeypatch):
    root, archive = write_folder({"a.png": encode("red")}), write_zip({"a.png": encode("red")})
    records = [*load_dataset(root), *load_dataset(archive)]
    (root / "a.png").unlink()
    with zipfile.ZipFile(archive, "w") as emptied:
        emptied.writestr("b.png", b"")
    for record in records:
        with pytest.raises(DatasetError, match=r"a\.png"):
            record.load()


def test_a_file_that_never_ends_is_given_up():
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    with pytest.raises(DatasetError, match=r"endless\.png"):
        limits.read_bounded(Endless(), "endless.png", 5_000_000)  # type: ignore[arg-type]
