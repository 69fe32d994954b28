"""Sets the version of the project, in ``pyproject.toml`` and in the workflows and blueprints, which name it for
ComfyUI-Manager:

    .venv/bin/python assets/make/version.py 0.2.0

The section of CHANGELOG.md is a person's to write.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IN_PROJECT = re.compile(r'^(version = ")[^"]*', re.MULTILINE)
IN_GRAPH = re.compile(r'("cnr_id": "lora-workbench",\s+"ver": ")[^"]*')


def main() -> None:
    parser = argparse.ArgumentParser(description="Set the version of the project.")
    parser.add_argument("version", type=_version)
    version = parser.parse_args().version
    _set(ROOT / "pyproject.toml", IN_PROJECT, version)
    for folder in ("workflows", "subgraphs"):
        for path in (ROOT / folder).glob("*.json"):
            _set(path, IN_GRAPH, version)


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no version such as 0.2.0")
    return text


def _set(path: Path, pattern: re.Pattern[str], version: str) -> None:
    text = path.read_text("utf-8")
    changed = pattern.sub(rf"\g<1>{version}", text)
    if changed != text:
        path.write_text(changed, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
