"""The contact sheet shows every picture, in order and whole."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from generators import finish, result
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.core.events import Progress
from lora_workbench.engine.core.hashing import bytes_hash
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masks import Mask
from lora_workbench.engine.data.sources import MemorySource
from lora_workbench.engine.data.views import Crop
from lora_workbench.engine.figures import contact_sheet as module
from lora_workbench.engine.figures.contact_sheet import contact_sheet
from PIL import Image

COLORS = [(200, 30, 30), (30, 160, 60), (40, 60, 200), (230, 190, 40), (120, 30, 160)]


def dataset(size: tuple[int, int] = (32, 32), caption: str | None = "a plain color") -> Dataset:
    return dataset_from_images([Image.new("RGB", size, c) for c in COLORS], [caption] * len(COLORS), "colors")


def drawn(data: Dataset, columns: int) -> tuple[Image.Image, list[Progress]]:
    return finish(contact_sheet(data, columns=columns))


def places(sheet: Image.Image) -> list[tuple[int, int, int, int]]:
    """The box that each color fills."""
    return [mask(sheet, color).getbbox() or (0, 0, 0, 0) for color in COLORS]


def mask(sheet: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    import numpy as np

    return Image.fromarray((np.asarray(sheet) == color).all(axis=2))


def test_pictures_stand_in_rows_in_their_order() -> None:
    boxes = places(drawn(dataset(), columns=3)[0])
    (left, top, *_), (second, *_), (third, *_), (fourth_left, fourth_top, *_), (fifth_left, *_) = boxes
    assert left < second < third
    assert (fourth_left, fifth_left) == (left, second)
    assert fourth_top > top + 192


@pytest.mark.parametrize(
    ("size", "shown"), [((32, 32), (192, 192)), ((64, 32), (192, 96)), ((400, 200), (192, 96)), ((150, 300), (96, 192))]
)
def test_pictures_are_shown_whole(size: tuple[int, int], shown: tuple[int, int]) -> None:
    left, top, right, bottom = places(drawn(dataset(size), columns=5)[0])[0]
    assert (right - left, bottom - top) == shown


def test_few_pictures_make_a_narrow_sheet() -> None:
    assert drawn(dataset(), columns=24)[0].size == drawn(dataset(), columns=5)[0].size


def test_captions_change_the_sheet() -> None:
    sheets = {drawn(dataset(caption=caption), columns=3)[0].tobytes() for caption in ("one", "two", None)}
    assert len(sheets) == 3


def test_progress_is_reported() -> None:
    assert [event.done for event in drawn(dataset(), columns=3)[1]] == [1, 2, 3, 4, 5]


def test_very_large_data_sets_are_shown_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PICTURES", 2)
    boxes = places(drawn(dataset(), columns=3)[0])
    assert all(box != (0, 0, 0, 0) for box in boxes[:2])
    assert boxes[2:] == [(0, 0, 0, 0)] * 3


def test_crops_and_masks_are_drawn_over_the_pictures() -> None:
    """Everything outside the crops is pale, everything masked out is red, and the rest is unchanged."""
    plain = dataset((192, 192))
    crop = Crop(box=(96, 0, 192, 192), size=(32, 64))
    black = Image.new("L", (192, 192))
    black.paste(255, (0, 0, 192, 96))
    buffer = io.BytesIO()
    black.save(buffer, "PNG")
    mask = Mask(source=MemorySource("m", buffer.getvalue()), content_hash=bytes_hash(buffer.getvalue()), floor=0.0)
    sheets = [
        drawn(replace(plain, records=(replace(plain.records[0], **change),)), columns=1)[0]
        for change in ({}, {"crops": (crop,)}, {"mask": mask}, {"mask": replace(mask, floor=1.0)})
    ]
    left, top, *_ = places(sheets[0])[0]
    corners = [(left + x, top + y) for y in (60, 150) for x in (40, 140)]
    red = COLORS[0]
    framed, masked = ([sheet.getpixel(place) == red for place in corners] for sheet in sheets[1:3])
    assert framed == [False, True, False, True]
    assert masked == [True, True, False, False]
    assert sheets[3].tobytes() == sheets[0].tobytes()


def flagged(data: Dataset, flags: list[list[str]]) -> Image.Image:
    return result(contact_sheet(data, columns=5, flags=flags))


def test_flagged_pictures_are_framed() -> None:
    data = dataset()
    sheet = flagged(data, [[], ["blurred"], [], ["small", "dark"], []])
    frames = mask(sheet, (0xD9, 0x82, 0x2B))
    left, top, right, bottom = places(sheet)[1]
    assert frames.getpixel((left - 2, (top + bottom) // 2))
    assert not frames.getpixel((places(sheet)[0][0] - 2, (top + bottom) // 2))
    assert frames.crop((left, bottom + 8, right, sheet.height)).getbbox(), "the flag's words"


def test_a_picture_that_is_gone_is_left_blank_among_flags_only() -> None:
    data = dataset()
    lost = replace(data.records[2], content_hash="0" * 64)
    data = replace(data, records=(*data.records[:2], lost, *data.records[3:]))
    assert places(flagged(data, [[], [], ["unreadable"], [], []]))[2] == (0, 0, 0, 0)
    with pytest.raises(DatasetError):
        drawn(data, columns=3)


def test_flagged_pictures_come_first_where_not_all_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PICTURES", 2)
    boxes = places(flagged(dataset(), [[], ["dark"], [], [], ["dark"]]))
    assert [box != (0, 0, 0, 0) for box in boxes] == [False, True, False, False, True]


def test_an_empty_data_set_has_a_sheet() -> None:
    sheet, events = drawn(Dataset(name="none", records=()), columns=6)
    assert sheet.width > 0 and sheet.height > 0 and events == []
