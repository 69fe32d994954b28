"""Folders as other programs and devices leave them: nothing that lies in them is used or left out in silence."""

from __future__ import annotations

import json
import os

import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data import trees
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.regularization import refuse_shared
from lora_workbench.engine.data.remarks import remarks
from lora_workbench.engine.data.trees import folder_fingerprint
from PIL import Image

CAPTION = "ohwx fox on deep snow"


def skipped(dataset) -> dict[str, str]:
    return {s.name: s.reason for s in dataset.skipped}


def names(dataset) -> list[str]:
    return [record.name for record in dataset]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.caption", CAPTION),
        ("a.cap", CAPTION),
        ("a.tags", CAPTION),
        ("a.png.txt", CAPTION),
        ("A.TXT", CAPTION),
        ("a.txt", f"\r\n{CAPTION}\r\n".encode("utf-16")),
        ("a.json", json.dumps({"caption": CAPTION, "width": 24})),
        ("a.json", json.dumps({"tags": CAPTION.split(", ")})),
        ("a.json", json.dumps(CAPTION)),
        ("captions.json", json.dumps({"a.png": CAPTION})),
        ("meta_cap.json", json.dumps({"/home/someone/set/a": {"caption": CAPTION, "train_resolution": [512, 512]}})),
        ("meta_cap.json", json.dumps({"C:\\set\\a.png": {"tags": CAPTION}})),
        ("list.json", json.dumps([{"image": "a.png", "prompt": CAPTION}])),
        ("captions.jsonl", json.dumps({"image_path": "a.png", "description": CAPTION})),
        ("captions.csv", f"filename,Caption\na.png,{CAPTION}\n"),
        ("captions.tsv", f"file_name\ttext\na.png\t{CAPTION}\n"),
        ("captions.csv", f"\ufefffile_name;text\r\na.png;{CAPTION}\r\n"),
        ("captions.csv", f"file_name\ttext\r\na.png\t{CAPTION}\r\n".encode("utf-16")),
        ("metadata.csv", f"File Name,Caption\na.png,{CAPTION}\n"),
        ("captions.csv", f'image-path;"caption";Größe\n"a.png";"{CAPTION}";3,5\n'),
    ],
)
def test_captions_of_other_programs_are_read(encode, write_folder, name, content):
    dataset = load_dataset(write_folder({"a.png": encode("red"), name: content}))
    assert [record.caption for record in dataset] == [CAPTION]
    assert dataset.skipped == ()


def test_tags_of_danbooru_are_a_list(encode, write_folder):
    files = {"a.json": '{"tag_string": "red_fur  snow", "score": 3}', "b.json": '{"tag_string": "a fox, snow"}'}
    dataset = load_dataset(write_folder({"a.png": encode("red"), "b.png": encode("blue"), **files}))
    assert [record.caption for record in dataset] == ["red_fur, snow", "a fox, snow"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("b.caption", CAPTION, "no picture has its name"),
        ("a.json", json.dumps({"score": 3}), "no text"),
        ("workflow.json", json.dumps({"nodes": [], "links": []}), "isn't a table of captions"),
        ("broken.json", "{", "isn't JSON"),
        ("scores.csv", "file_name,score\na.png,3\n", "lacks the columns"),
        ("a.npz", b"PK\x03\x04", "cache of another trainer"),
        ("a.zip", b"PK\x03\x04", "archive"),
        ("a.ico", b"\0\0\1\0\1\0", "it is an icon"),
        ("clip.mp4", b"\0\0\0\x18ftypisom", "video"),
        ("a.nef", b"II*\0", "raw"),
        ("notes.md", "# notes", "isn't a picture"),
        ("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("failed.jpg", "<!DOCTYPE html><html>", "web page"),
        ("large.png", "version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        ("shared.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("new.jxl", b"\xff\x0a" + bytes(40), "JPEG XL"),
    ],
)
def test_what_is_not_used_is_named_with_the_reason(encode, write_folder, name, content, said):
    dataset = load_dataset(write_folder({"a.png": encode("red"), name: content}))
    assert names(dataset) == ["a.png"]
    assert list(skipped(dataset)) == [name]
    assert said in skipped(dataset)[name]
    assert any(name in line for line in remarks(dataset))


@pytest.mark.parametrize(
    "table",
    [
        ("metadata.jsonl", '{"file_name": "a.png", "score": 3}'),
        ("metadata.csv", "file_name,score\na.png,3\n"),
    ],
)
def test_metadata_without_a_known_column_of_text_is_refused_in_every_format(encode, write_folder, table):
    with pytest.raises(DatasetError, match="text"):
        load_dataset(write_folder({"a.png": encode("red"), table[0]: table[1]}))


def test_other_columns_of_text_are_named(encode, write_folder):
    table = json.dumps({"file_name": "a.png", "text": CAPTION, "tags": ["fox", "snow"]})
    dataset = load_dataset(write_folder({"a.png": encode("red"), "metadata.jsonl": table}))
    assert skipped(dataset) == {"metadata.jsonl, line 1: tags": "another column holds the caption"}


def test_of_several_captions_one_is_used_and_the_others_are_named(encode, write_folder):
    files = {"a.png.txt": "a dog", "a.txt": "fox, snow", "a.caption": "a fox in the snow", "a.tags": "fox, snow"}
    dataset = load_dataset(write_folder({"a.png": encode("red"), **files}))
    assert [record.caption for record in dataset] == ["fox, snow"]
    other = "a.png already has another caption, which is used"
    assert skipped(dataset) == {"a.caption": other, "a.png.txt": other}


@pytest.mark.parametrize("name", ["photo", "photo.bin", "photo.JFIF", "photo.dat", "photo.txt"])
def test_pictures_are_known_by_their_content(encode, write_folder, name):
    assert names(load_dataset(write_folder({name: encode("red", "JPEG")}))) == [name]


@pytest.mark.parametrize(
    "mask",
    [
        "set/masks/a.png", "set/mask/a.png", "masks/a.png", "set/images/masks/a.jpg", "set/images/a-masklabel.png",
        "set/images/a-mask.png", "set/images/a.mask.png", "set/images_mask/a.png", "set/Masks/A.PNG",
        "set/masks/a_mask.png", "set/images/mask_a.png", "set/images/a mask.png", "set/images/a (mask).png",
        "set/images/a_masks.png", "set/images/a_mask_00001_.png", "set/images/a_mask1.png",
    ],
)  # fmt: skip
def test_masks_are_found_where_other_programs_put_them(encode, write_folder, mask):
    dataset = load_dataset(write_folder({"set/images/a.png": encode("red"), mask: encode("white")}))
    assert names(dataset) == ["set/images/a.png"]
    assert dataset.records[0].mask is not None
    assert dataset.skipped == ()


def test_masks_with_numbers_belong_to_the_pictures_with_these(encode, write_folder):
    files = [f"{name}_0000{number}_.png" for name in ("fox", "fox_mask") for number in (1, 2)]
    dataset = load_dataset(write_folder({name: encode() for name in files} | {"fox.png": encode("blue")}))
    masks = {record.name: record.mask.source.name for record in dataset if record.mask}
    assert masks == dict(zip(files[:2], files[2:], strict=True))
    assert names(dataset) == ["fox.png", *files[:2]]


@pytest.mark.parametrize("mask", ["masks/other.png", "mask/other.png", "other_mask.png", "a-condlabel.png"])
def test_masks_that_fit_no_picture_are_named_and_never_trained(encode, write_folder, mask):
    dataset = load_dataset(write_folder({"a.png": encode("red"), mask: encode("white")}))
    assert names(dataset) == ["a.png"]
    assert list(skipped(dataset)) == [mask]


@pytest.mark.parametrize(
    "name",
    [
        "fox in a gas-mask.png",
        "mask_of tin.png",
        "b_mask_of tin.png",
        "tin mask 2.png",
        "10_gas mask/a.png",
        "mask of tin/a.png",
    ],
)
def test_pictures_of_masks_are_pictures(encode, write_folder, name):
    assert name in names(load_dataset(write_folder({name: encode("red"), "b.png": encode("blue")})))


def painted(colors: dict[tuple[int, int], tuple[int, int, int, int]], size=(24, 16)) -> Image.Image:
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    for at, color in colors.items():
        image.putpixel(at, color)
    return image


def test_the_transparency_of_a_mask_means_something_and_what_is_said(encode, write_folder):
    root = write_folder({
        "a.png": encode("red"), "a_mask.png": encode(painted({(3, 3): (0, 0, 0, 255)})),
        "b.png": encode("blue"), "b_mask.png": encode(painted({(3, 3): (255, 255, 255, 255), (4, 4): (0, 0, 0, 255)})),
    })  # fmt: skip
    dataset = load_dataset(root)
    one, two = (record.mask.load() for record in dataset if record.mask)
    assert (one.getpixel((3, 3)), one.getpixel((9, 9))) == (255, 0)
    assert (two.getpixel((3, 3)), two.getpixel((4, 4)), two.getpixel((9, 9))) == (255, 0, 0)
    assert {note.name: note.text for note in dataset.notes} == {
        "a_mask.png": "its opacity is the mask, as its color is the same everywhere",
        "b_mask.png": "its transparency is black",
    }


@pytest.mark.parametrize(
    "name",
    [
        "reg/1_fox/b.png", "regularization images/b.png", "class/b.png", "class_images/b.png", "model/sample/b.png",
        "samples/b.png", "model/b.png", "log/b.png", "thumbnails/b.png", "thumb/b.png", "test/b.png",
        "10_reg fox/b.png", "reg_fox/b.png", "1_reg/b.png", "regularization_woman/b.png", "prior_preservation/b.png",
        "regularisation of foxes/b.png",
    ],
)  # fmt: skip
def test_folders_that_are_not_the_subject_are_set_aside_by_name(encode, write_folder, name):
    files = {"img/10_fox/a.png": encode("red"), "train/c.png": encode("red"), name: encode("blue")}
    dataset = load_dataset(write_folder(files))
    assert name not in names(dataset)
    assert "its folder" in skipped(dataset)[name]


def test_a_folder_is_what_it_is_given_as(encode, write_folder):
    root = write_folder({"reg/1_fox/a.png": encode("red"), "class/b.png": encode("blue"), "samples/c.png": encode()})
    assert names(load_dataset(root, regularization=True)) == ["class/b.png", "reg/1_fox/a.png"]
    assert names(load_dataset(root / "samples")) == ["c.png"]
    with pytest.raises(DatasetError, match="LW_RegularizationSet takes them"):
        load_dataset(root)


@pytest.mark.parametrize(
    "name",
    [
        "@eaDir/a.png/SYNOFILE_THUMB_M.png", "#recycle/b.png", "$RECYCLE.BIN/b.png", "System Volume Information/b.png",
        "lost+found/b.png", ".Trash-1000/files/b.png", "sub/.ipynb_checkpoints/b.png", "@Recycle/b.png",
        "~snapshot/hourly/b.png", "__MACOSX/b.png", ".thumbnails/b.png", "~$a.png", "._a.png",
    ],
)  # fmt: skip
def test_files_of_systems_and_devices_are_left_out_by_name(encode, write_folder, write_zip, name):
    files = {"a.png": encode("red"), name: encode("blue")}
    for path in (write_folder(files), write_zip(files)):
        dataset = load_dataset(path)
        assert names(dataset) == ["a.png"]
        (left,) = skipped(dataset)
        assert name == left or (left.endswith("/") and name.startswith(left))


def test_a_folder_with_the_names_of_another_is_told_of(encode, write_folder):
    files = {f"images/{n}.png": encode("red") for n in "abcd"} | {
        f"depth/{n}.jpg": encode("blue", "JPEG") for n in "abc"
    }
    notes = load_dataset(write_folder(files)).notes
    assert [(note.name, "images/" in note.text and "LW_PairDataset" in note.text) for note in notes] == [
        ("depth/", True)
    ]
    apart = {f"day/{n}.png": encode("red") for n in "abc"} | {f"night/{n}.png": encode("blue") for n in "cde"}
    assert load_dataset(write_folder({f"other/{name}": data for name, data in apart.items()}) / "other").notes == ()


@pytest.mark.parametrize(
    ("folder", "around"),
    [
        ("depth", ""), ("set/depth", "set"), ("conditioning/10_fox", "img/10_fox"), ("set/b/depth/x", "set/b/images/x"),
        ("zwei", "eins"),
    ],
)  # fmt: skip
def test_control_pictures_are_told_of_wherever_they_lie(encode, write_folder, folder, around):
    files = {f"{place}/{n}.png".lstrip("/"): encode() for place in (folder, around) for n in "abc"}
    (note,) = load_dataset(write_folder(files)).notes
    assert note.name == f"{folder}/"
    assert (f"in {around}/" if around else "around it") in note.text


def test_folders_of_nothing_in_common_are_pictures(encode, write_folder):
    files = {f"regal lion/{n}.png": encode() for n in "abc"} | {f"registers/{n}.png": encode() for n in "def"}
    dataset = load_dataset(write_folder(files))
    assert len(dataset) == 6
    assert dataset.notes == () and dataset.skipped == ()


def test_the_same_picture_in_both_sets_is_refused_by_name(encode, write_folder):
    root = write_folder({"a.png": encode("red"), "b.png": encode("blue"), "reg/c.png": encode("blue")})
    with pytest.raises(DatasetError, match=r"b\.png = c\.png"):
        refuse_shared(load_dataset(root), load_dataset(root / "reg"))


@pytest.mark.parametrize(
    ("folder", "repeats", "said"),
    [("100_PANA", 1, "camera"), ("10_05_2024", 1, "date"), ("2024_summer", 1, "date"), ("100_fox", 100, "")],
)
def test_numbers_that_are_no_repeats_are_told(encode, write_folder, folder, repeats, said):
    dataset = load_dataset(write_folder({f"{folder}/a.png": encode("red")}))
    assert dataset.records[0].repeats == repeats
    assert [said in note.text for note in dataset.notes] == ([True] if said else [])


@pytest.mark.parametrize(
    ("file_format", "word"), [("GIF", "frames"), ("WEBP", "frames"), ("PNG", "frames"), ("TIFF", "pages")]
)
def test_of_several_frames_the_first_is_used_and_that_is_told(encode, write_folder, file_format, word):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "green")]
    data = encode(frames[0], file_format, save_all=True, append_images=frames[1:])
    (note,) = load_dataset(write_folder({"a": data, "b.png": encode("red")})).notes
    assert "3" in note.text and "first" in note.text and word in note.text


def test_a_swap_of_equal_length_and_time_changes_the_fingerprint(encode, write_folder):
    root = write_folder(
        {"a.png": encode("red"), "a.txt": "a fox in snow", "b.png": encode("blue"), "b.txt": "a dog in rain"}
    )
    for file in root.iterdir():
        os.utime(file, ns=(1, 1))
    seen = [folder_fingerprint(root)]
    for kind in ("txt", "png"):
        (root / f"a.{kind}").rename(root / "x")
        (root / f"b.{kind}").rename(root / f"a.{kind}")
        (root / "x").rename(root / f"b.{kind}")
        seen.append(folder_fingerprint(root))
    (root / "a.txt").write_text("a cat in rain")
    os.utime(root / "a.txt", ns=(1, 1))
    assert len({*seen, folder_fingerprint(root)}) == 4


@pytest.mark.parametrize("name", ["a.txt", "a.caption", "a.json", "metadata.jsonl", "captions.csv"])
def test_edits_are_seen_where_the_file_system_tells_size_and_time_alone(encode, write_folder, monkeypatch, name):
    monkeypatch.setattr(trees, "file_stamp", lambda file: [os.stat(file).st_size, os.stat(file).st_mtime_ns, 0, 0])
    root = write_folder({"a.png": encode("red"), name: '{"file_name": "a.png", "text": "a fox"}'})
    os.utime(root / name, ns=(1, 1))
    before = folder_fingerprint(root)
    (root / name).write_text('{"file_name": "a.png", "text": "a dog"}')
    os.utime(root / name, ns=(1, 1))
    assert folder_fingerprint(root) != before


def test_pictures_without_a_caption_may_take_the_name_of_their_file_or_folder(encode, write_folder):
    root = write_folder(
        {"10_red fox/a_fox-cub (3).png": encode("red"), "0042.png": encode("blue"), "c.png": encode(), "c.txt": "x"}
    )
    by_file, by_folder = (load_dataset(root, uncaptioned=which) for which in ("file name", "folder name"))
    assert [record.caption for record in by_file] == ["a fox-cub", None, "x"]
    assert [record.caption for record in by_folder] == ["red fox", "pictures", "x"]
