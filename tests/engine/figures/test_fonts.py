"""Letters of all scripts are drawn in a font that has them, or it is said that there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from captioned import dataset_of
from lora_workbench.engine.core.events import Message
from lora_workbench.engine.figures import fonts
from lora_workbench.engine.figures.contact_sheet import contact_sheet
from lora_workbench.engine.figures.drawing import text_width, wrapped, write
from lora_workbench.engine.figures.grid import Label, labeled_grid
from PIL import Image, ImageDraw, ImageFont

INSTALLED = next(Path("/usr/share/fonts").rglob("DejaVuSans.ttf"), None)
NOWHERE = "\U0010fffd"
"""Private use: no font has it."""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Fonts are looked for anew."""
    clear()
    yield
    clear()


def clear() -> None:
    fonts._faces.clear()
    fonts._face.cache_clear()


@pytest.fixture
def no_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer without fonts and fontconfig."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(fonts, "_folders", lambda: [tmp_path])


def drawn(text: str) -> Image.Image:
    image = Image.new("L", (200, 30), 255)
    write(ImageDraw.Draw(image), (2, 2), text, 16, "black")  # type: ignore[arg-type]
    return image


def test_latin_is_drawn_as_ever():
    plain = Image.new("L", (200, 30), 255)
    ImageDraw.Draw(plain).text((2, 2), "a fox, 1.2 (x)", fill="black", font=ImageFont.load_default(16))
    assert drawn("a fox, 1.2 (x)").tobytes() == plain.tobytes()
    assert fonts.runs("a fox") == [("a fox", fonts.OWN)]


@pytest.mark.skipif(INSTALLED is None, reason="DejaVu isn't installed")
@pytest.mark.parametrize("found_by", ["fontconfig", "folders"])
def test_installed_fonts_are_found(found_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if found_by == "folders":
        monkeypatch.setenv("PATH", str(tmp_path))
    georgian = "მელა"
    [(latin, own), (text, face)] = fonts.runs(f"fox {georgian}")
    assert (latin, own, text) == ("fox ", fonts.OWN, georgian)
    assert "serif" not in face.lower() and "bold" not in face.lower()
    assert not fonts.missing_note([georgian])
    assert text_width(f"fox {georgian}", 16) > text_width("fox ", 16) + 20


def test_without_a_font_it_is_said_in_words(no_fonts: None):
    assert fonts.runs("a 狐!") == [("a ·!", fonts.OWN)]
    note = fonts.missing_note(["a fox", "狐の写真", "ภาพ"])
    assert "CJK, Hiragana, Thai" in note and "trained as written" in note
    assert not fonts.missing_note(["a fox, \u200d\ufe0f\n"])
    assert fonts.missing_note([NOWHERE])


def test_a_sheet_says_it_below(no_fonts: None, tmp_path: Path):
    def sheet(caption: str) -> tuple[Image.Image, list[str]]:
        events, told = contact_sheet(dataset_of({"fox.png": caption}), flags=[[]]), []
        while True:
            try:
                event = next(events)
            except StopIteration as stop:
                return stop.value, told
            told += [event.text] if isinstance(event, Message) else []

    (plain, silent), (foreign, told) = sheet("a fox"), sheet("一只狐狸")
    assert not silent and "CJK" in told[0]
    assert foreign.height > plain.height


def test_a_grid_says_it_below(no_fonts: None):
    cells = [[Image.new("RGB", (160, 160))]]
    plain, foreign = (labeled_grid([Label(text)], [Label("base")], cells) for text in ("a fox", "一只狐狸"))
    assert foreign.height > plain.height


def test_absurdly_long_texts_are_wrapped_at_once():
    assert len(wrapped("x" * 5_000_000, 13, 192, lines=4)) == 4
