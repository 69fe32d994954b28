"""Captions in text files and metadata tables."""

from __future__ import annotations

import json
import unicodedata

import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data import limits
from lora_workbench.engine.data.loading import load_dataset


@pytest.fixture
def load(encode, write_folder):
    """Load a folder of the given pictures and text files."""

    def load(pictures: str, files: dict[str, str | bytes]):
        data = {name: encode(file_format="JPEG" if name.endswith("jpg") else "PNG") for name in pictures.split()}
        return load_dataset(write_folder({**data, **files}))

    return load


def captions(dataset) -> dict[str, str | None]:
    return {r.name: r.caption for r in dataset}


def lines(*rows: dict) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def test_a_text_file_belongs_to_every_picture_of_its_stem(load):
    dataset = load("a.png a.jpg b.png sub/a.png", {"a.txt": " a red fox \n", "sub/a.TXT": "another"})
    assert captions(dataset) == {"a.jpg": "a red fox", "a.png": "a red fox", "b.png": None, "sub/a.png": "another"}
    assert dataset.skipped == ()


@pytest.mark.parametrize("text", ["", "  \n\t", "\ufeff"])
def test_a_blank_caption_is_none(load, text):
    assert captions(load("a.png", {"a.txt": text})) == {"a.png": None}


def test_a_byte_order_mark_is_no_part_of_the_caption(load):
    assert captions(load("a.png", {"a.txt": "\ufeffein Fuchs, größer"})) == {"a.png": "ein Fuchs, größer"}


@pytest.mark.parametrize("encoding", ["latin-1", "cp932", "utf-16-le", "utf-32"])
def test_captions_in_another_encoding_are_refused_all_at_once(load, encoding):
    with pytest.raises(DatasetError) as caught:
        load(
            "a.png b.png c.png",
            {
                "a.txt": "狐é".encode(encoding, "ignore"),
                "b.txt": "fine",
                "c.txt": "größer狐".encode(encoding, "ignore"),
            },
        )
    assert "a.txt" in str(caught.value)
    assert "c.txt" in str(caught.value)
    assert "b.txt" not in str(caught.value)
    assert "UTF-8" in caught.value.hint


def test_plain_letters_in_utf_16_are_not_taken_for_utf_8(load):
    with pytest.raises(DatasetError, match=r"a\.txt.*UTF-16"):
        load("a.png", {"a.txt": "a red fox".encode("utf-16-le")})


def test_a_text_file_without_a_picture_is_reported(load):
    assert [s.name for s in load("a.png", {"b.txt": "lost"}).skipped] == ["b.txt"]


def test_metadata_jsonl_with_text_or_caption(load):
    table = lines(
        {"file_name": "a.png", "text": "first"},
        {"file_name": "sub\\b.png", "caption": "second"},
        {"file_name": "./c.png", "text": " "},
        {"file_name": "d.png"},
    )
    dataset = load("a.png sub/b.png c.png d.png", {"metadata.jsonl": "\ufeff" + table + "\r\n\n"})
    assert captions(dataset) == {"a.png": "first", "c.png": None, "d.png": None, "sub/b.png": "second"}


def test_metadata_csv_with_quotes_line_breaks_and_an_index_column(load):
    table = ',file_name,caption\r\n0,a.png,"a fox, sitting"\r\n1,b.png,"two\nlines"\r\n2,c.png,\r\n'
    dataset = load("a.png b.png c.png", {"metadata.csv": table})
    assert captions(dataset) == {"a.png": "a fox, sitting", "b.png": "two\nlines", "c.png": None}


def test_metadata_in_a_sub_folder_names_files_from_there(load):
    dataset = load("sub/a.png b.png", {"sub/metadata.csv": "file_name,text\na.png,below\n../b.png,above\n"})
    assert captions(dataset) == {"b.png": "above", "sub/a.png": "below"}


def test_entries_that_name_no_picture_are_reported(load):
    table = lines({"file_name": "gone.png", "text": "x"}, {"file_name": "../../etc/passwd", "text": "y"})
    skipped = load("a.png", {"metadata.jsonl": table}).skipped
    assert [(s.name, s.reason.split()[-1]) for s in skipped] == [
        ("metadata.jsonl, line 1", "gone.png"),
        ("metadata.jsonl, line 2", "../../etc/passwd"),
    ]


def test_the_text_file_counts_before_metadata_and_the_difference_is_reported(load):
    files = {
        "a.txt": "mine",
        "b.txt": " ",
        "metadata.jsonl": lines({"file_name": "a.png", "text": "theirs"}, {"file_name": "b.png", "text": "filled"}),
        "metadata.csv": "file_name,text\na.png,mine\nb.png,other\n",
    }
    dataset = load("a.png b.png", files)
    assert captions(dataset) == {"a.png": "mine", "b.png": "filled"}
    assert [s.name for s in dataset.skipped] == ["metadata.jsonl, line 1", "metadata.csv, line 3"]


def test_names_match_however_their_letters_are_composed(load):
    name = unicodedata.normalize("NFD", "café.png")
    dataset = load(name, {"metadata.csv": unicodedata.normalize("NFC", "file_name,text\ncafé.png,a cup\n")})
    assert [r.caption for r in dataset] == ["a cup"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("metadata.jsonl", '{"file_name": "a.png", "text": "x"}\n{broken', "line 2: not JSON"),
        ("metadata.jsonl", '["a.png", "x"]', "line 1: no file_name"),
        ("metadata.jsonl", '{"file_name": 3, "text": "x"}', "line 1: no file_name"),
        ("metadata.jsonl", '{"file_name": "a.png", "text": 3}', "line 1: its caption"),
        ("metadata.jsonl", '{"file_name": "a.png", "text": "\\ud800"}', "line 1: its caption"),
        ("metadata.jsonl", "[" * 200_000, "line 1: not JSON"),
        ("metadata.csv", "a.png,a fox\n", "lacks the columns"),
        ("metadata.csv", "file_name|text\na.png|a fox\n", "lacks the columns"),
        ("metadata.csv", "file_name;text\na.png;a fox; sitting\n", "line 2: more fields"),
        ("metadata.csv", "", "lacks the columns"),
        ("metadata.csv", "file_name,text\na.png,a fox, sitting\n", "line 2: more fields"),
        ("metadata.csv", 'file_name,text\na.png,"open', "not CSV"),
        ("metadata.csv", "file_name,text\n" + "a.png," + "x" * 200_000, "not CSV"),
    ],
)
def test_metadata_that_cannot_be_understood_is_refused_with_its_line(load, name, text, said):
    with pytest.raises(DatasetError) as caught:
        load("a.png", {name: text})
    assert f"{name}: " in str(caught.value)
    assert said in str(caught.value)


def test_all_bad_lines_are_named_at_once(load):
    with pytest.raises(DatasetError, match=r"line 1.*line 3"):
        load("a.png", {"metadata.jsonl": '{\n{"file_name": "a.png"}\n{'})


def test_an_endless_text_file_is_not_read_whole(load, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CAPTION_BYTES", 1000)
    with pytest.raises(DatasetError, match=r"a\.txt: it has more than 1,000 bytes"):
        load("a.png", {"a.txt": "x" * 1001})
