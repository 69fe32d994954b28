"""Train the demo base's byte-pair tokenizer (CLIP format, 2,048 pieces) on its captions and all emoji names."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import world
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

VOCABULARY = 2048
LENGTH = 32
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def corpus(packages: Path) -> list[str]:
    """Captions as training sees them, and the names of all emoji, so that common words stay whole."""
    rng = random.Random(0)
    pictures = world.trained_pictures(packages)
    captions = [
        world.caption(p.name, p.class_word, p.style, background, rng)
        for p in pictures
        for background in world.BACKGROUNDS
    ]
    names = [e["name"].lower() for e in json.loads((packages / "emoji-datasource-google/emoji.json").read_text())]
    return captions + names


def train(packages: Path, folder: Path) -> CLIPTokenizer:
    """Write ``vocab.json``, ``merges.txt`` and the configuration that transformers and ComfyUI read."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2 - len(alphabet),
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(packages), trainer)

    merges = [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    # CLIP's order: the bytes, the bytes that end a word, the merges, the two special tokens last.
    pieces = sorted(alphabet) + [letter + "</w>" for letter in sorted(alphabet)]
    known = set(pieces)
    kept = []
    for left, right in merges:
        if len(pieces) == VOCABULARY - 2:
            break
        if left in known and right in known:
            kept.append((left, right))
            if left + right not in known:
                known.add(left + right)
                pieces.append(left + right)
    pieces += [f"<|unused{i}|>" for i in range(VOCABULARY - 2 - len(pieces))] + [BOS, EOS]

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in kept))
    result = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=LENGTH)
    result.save_pretrained(folder)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="the folder node_modules")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    tokenizer = train(args.packages, args.out)
    for text in ("a noto style emoji of a red apple on a white background", "ohwx", "a photo of zwxq animal"):
        print(text, "->", tokenizer.tokenize(text))


if __name__ == "__main__":
    main()
