"""The page of families is what the declarations say."""

from __future__ import annotations

from pathlib import Path

from lora_workbench.cli.families import page
from lora_workbench.engine.models import FAMILIES
from lora_workbench.engine.models.families import all_traits
from lora_workbench.nodes.native.families import COMFY_CLASSES


def test_the_page_is_up_to_date(root: Path) -> None:
    """`lora-workbench families --markdown > docs/families.md` makes it again."""
    assert (root / "docs" / "families.md").read_text(encoding="utf-8") == page()


def test_every_family_is_on_the_page() -> None:
    known = {traits.name for traits in all_traits()}
    assert {family.traits.name for family in FAMILIES} <= known
    assert COMFY_CLASSES - {"sdxl-refiner"} <= known
    assert all(traits.title in page() for traits in all_traits())
