"""Names in archives of packers that don't say in which encoding they are."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib

import pytest
from lora_workbench.engine.data.loading import load_dataset


def packed(tmp_path, names: dict[str, bytes], encoding: str):
    """An archive whose names are in an encoding, without the flag for UTF-8."""
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, content) in enumerate(names.items()):
            raw = name.encode(encoding)
            info = zipfile.ZipInfo(f"{number:04d}".ljust(len(raw), "#"))
            archive.writestr(info, content)
    data = path.read_bytes()
    for number, name in enumerate(names):
        raw = name.encode(encoding)
        data = data.replace(f"{number:04d}".ljust(len(raw), "#").encode(), raw)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp932", ["表紙.png", "ソファ.png"]),  # with 0x5C, a backslash, as second bytes
        ("gb18030", ["封面.png", "狐狸/照片.png"]),
        ("cp949", ["표지.png", "여우.png"]),
        ("big5", ["功能.png", "狐狸功.png"]),  # its second bytes stand before .png, too
        ("cp1251", ["обложка.png", "лиса.png"]),
        ("cp866", ["обложка.png", "лиса.png"]),
        ("cp850", ["größe.png", "wäsche.png"]),
        ("cp1250", ["liška.png", "žluť.png"]),
        ("cp874", ["จิ้งจอก.png", "หิมะ.png"]),
        ("utf-8", ["表紙.png", "größe.png"]),
    ],
)
@pytest.mark.parametrize("table", ["metadata.jsonl", "captions.json", "ascii.json"])
def test_captions_in_a_table_find_their_pictures(encode, tmp_path, encoding, names, table):
    rows = [{"file_name": name, "text": f"caption of {name}"} for name in names]
    texts = {row["file_name"]: row["text"] for row in rows}
    content = json.dumps(texts, ensure_ascii=table == "ascii.json")
    if table == "metadata.jsonl":
        content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    members = {name: encode("red") for name in names} | {table: content.encode()}
    dataset = load_dataset(packed(tmp_path, members, encoding))
    assert {record.name: record.caption for record in dataset} == texts
    assert dataset.skipped == ()
    assert [encoding in note.text for note in dataset.notes] == ([] if encoding == "utf-8" else [True])
    assert all(record.load().getpixel((0, 0)) == (255, 0, 0) for record in dataset)


@pytest.mark.parametrize("encoding", ["cp932", "utf-8"])
def test_without_a_table_captions_are_found_and_the_encoding_is_told(encode, tmp_path, encoding):
    members = {"きつね表.png": encode("red"), "きつね表.txt": b"a fox", "ねこ.png": encode("blue")}
    dataset = load_dataset(packed(tmp_path, members, encoding))
    assert {record.name: record.caption for record in dataset} == {"きつね表.png": "a fox", "ねこ.png": None}
    assert len(dataset.notes) == (encoding != "utf-8")


@pytest.mark.parametrize(
    ("encoding", "name", "caption"),
    [
        ("gb18030", "狐狸", "一只狐狸在雪地里"),
        ("big5", "狐狸", "一隻狐狸在雪地裡"),
        ("cp932", "狐", "雪の中の狐"),
        ("cp949", "눈밭", "눈 속의 여우"),
        ("cp1251", "лиса", "лиса на снегу"),
        ("cp866", "лиса", "лиса на снегу"),
        ("cp737", "αλεπού", "μια αλεπού στο χιόνι"),
        ("cp862", "שועל", "שועל בשלג"),
        ("gb18030", "狐狸", "a fox in snow"),
        ("cp949", "여우", "a fox in snow"),
        ("cp1251", "лиса", "a fox in snow"),
    ],
)
def test_captions_tell_the_language_of_names(encode, tmp_path, encoding, name, caption):
    members = {f"{name}.png": encode("red"), f"{name}.txt": caption.encode()}
    dataset = load_dataset(packed(tmp_path, members, encoding))
    assert {record.name: record.caption for record in dataset} == {f"{name}.png": caption}


def test_a_name_that_is_repeated_in_unicode_is_that(encode, tmp_path):
    raw, name = "狐狸.png".encode("gb18030"), "狐狸.png"
    info = zipfile.ZipInfo("#" * len(raw))
    told = struct.pack("<BI", 1, zlib.crc32(raw)) + name.encode()
    info.extra = struct.pack("<HHI", 0x5455, 4, 0) + struct.pack("<HH", 0x7075, len(told)) + told
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, encode("red"))
    path.write_bytes(path.read_bytes().replace(b"#" * len(raw), raw))
    dataset = load_dataset(path)
    assert [record.name for record in dataset] == [name]
    assert dataset.notes == ()
    assert dataset.records[0].load().getpixel((0, 0)) == (255, 0, 0)


def test_a_decoded_name_cannot_point_outside(encode, tmp_path):
    path = packed(tmp_path, {"表.png": encode("red"), "..\\表.png": encode("blue")}, "cp932")
    with pytest.raises(Exception, match="outside the archive"):
        load_dataset(path)
