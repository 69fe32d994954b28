"""Turn CLIP's list of merges into the two tokenizer files that assets/sd1_config needs.

The list is ``bpe_simple_vocab_16e6.txt.gz``, as CLIP published it; PyPI's ``open_clip_torch`` holds it:

    pip download --no-deps open_clip_torch==3.3.0
    unzip open_clip_torch-3.3.0-py3-none-any.whl open_clip/bpe_simple_vocab_16e6.txt.gz
    python assets/make/sd1_tokenizer.py open_clip/bpe_simple_vocab_16e6.txt.gz
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "sd1_config" / "tokenizer"
VOCABULARY = 49408
SPECIAL = ["<|startoftext|>", "<|endoftext|>"]


def byte_letters() -> list[str]:
    """A printable letter for each byte, printable bytes standing for themselves and coming first, as in GPT-2."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(256 - len(printable))]


def main(source: Path) -> None:
    letters = byte_letters()
    count = VOCABULARY - 2 * len(letters) - len(SPECIAL)
    merges = gzip.decompress(source.read_bytes()).decode().splitlines()[1 : 1 + count]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(m.replace(" ", "") for m in merges), *SPECIAL]
    numbered = {token: number for number, token in enumerate(tokens)}
    assert len(numbered) == VOCABULARY
    vocabulary = json.dumps(numbered, ensure_ascii=False, separators=(",", ":"))
    (FOLDER / "vocab.json").write_text(vocabulary + "\n", encoding="utf-8")
    (FOLDER / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
