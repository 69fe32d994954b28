"""Text files of any editor are read, and no encoding is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from lora_workbench.engine.core.encodings import decoded
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.toml_files import read_toml

TEXT = "name = 'Füchse 狐狸'\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path: Path, encoding: str):
    assert decoded(TEXT.encode(encoding)) == TEXT
    (tmp_path / "run.toml").write_bytes(TEXT.encode(encoding))
    assert read_toml(tmp_path / "run.toml", "an example") == {"name": "Füchse 狐狸"}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-32"])
def test_other_encodings_are_refused(tmp_path: Path, encoding: str):
    (tmp_path / "run.toml").write_bytes("name = 'Füchse'".encode(encoding))
    with pytest.raises(ConfigError, match="can't be read"):
        read_toml(tmp_path / "run.toml", "an example")
