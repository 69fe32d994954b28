"""Whatever people call their things, the files that are written can be copied to every system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.core.file_names import MAX_BYTES, usable

DEVICES = ("con", "PRN", "Aux", "nul", "COM1", "com9", "LPT1", "lpt²", "CONIN$", "conout$")
ODD = st.sampled_from([*DEVICES, ".", " ", "..", ":", "/", "\\", "\0", "\x1b", "\u202e", "狐", "\ud800", "a" * 300])


@given(st.text() | st.lists(ODD | st.text(max_size=3), max_size=5).map("".join))
def test_names_are_usable_everywhere(name: str) -> None:
    made = usable(name)
    assert made and len(made.encode()) <= MAX_BYTES
    assert not {*'<>:"|?*\\/'} & {*made}
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in made)
    assert made == made.strip(" ") and not made.endswith(".")
    assert made.split(".")[0].rstrip().casefold() not in [device.casefold() for device in DEVICES]
    assert usable(made) == made


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rest", ["", ".png", ".tar.gz", " .x"])
def test_devices_get_an_underscore(device: str, rest: str) -> None:
    assert usable(device + rest) == f"_{device}{rest}"


@pytest.mark.parametrize("name", ["fox", "confox", "console", "10_con", "v1.5", "nul_x", "COM10", "füchse 狐狸", ".x"])
def test_usable_names_stay(name: str) -> None:
    assert usable(name) == name


@pytest.mark.parametrize(
    ("name", "made"), [("fox.", "fox"), (" fox . ", "fox"), ("a/b", "a_b"), ("...", "_"), ("", "_"), ("a\nb", "a_b")]
)
def test_what_is_replaced(name: str, made: str) -> None:
    assert usable(name) == made
