"""cleanvision and imagededup on the pictures of the calibration; they run in a Python of their own.

python -m pip install cleanvision imagededup
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from damage import COPIES, DAMAGES
from PIL import Image

_CLEANVISION = """
import json, sys
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1])
lab.find_issues(verbose=False)
columns = [c for c in lab.issues if c.startswith(("is_", "blurry_score", "dark_score", "light_score"))]
rows = {path.rsplit("/", 1)[1]: {c: float(row[c]) for c in columns} for path, row in lab.issues.iterrows()}
sets = [[p.rsplit("/", 1)[1] for p in s] for k in ("exact_duplicates", "near_duplicates") for s in lab.info[k]["sets"]]
json.dump({"rows": rows, "sets": sets}, open(sys.argv[2], "w"))
"""
_IMAGEDEDUP = """
import json, sys
from imagededup.methods import PHash
hasher = PHash(verbose=False)
json.dump(hasher.encode_images(image_dir=sys.argv[1], num_enc_workers=0), open(sys.argv[2], "w"))
"""
_SCORES = {"blurred": "blurry", "upscaled": "blurry", "dark": "dark", "bright": "light"}
"""Kind of flaw -> cleanvision's issue that comes nearest."""
_HASH_LIMIT = 10
"""Bits up to which imagededup calls two pictures duplicates."""


def judged_by_others(python: Path, pictures: dict[str, Image.Image]) -> dict:
    """Their figures in the shape of ours.

    Args:
        python: an interpreter that has both programs.
        pictures: clean photographs by name.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = _write(root / "pictures", pictures)
        vision = _run(python, _CLEANVISION, root / "pictures", root / "vision.json")
        hashes = _run(python, _IMAGEDEDUP, root / "pictures", root / "hashes.json")
    rows = vision["rows"]
    return {
        "cleanvision": {
            "flaws": _flaws(rows, names, list(pictures)),
            "clean_flagged": _false_flags(rows, list(pictures)),
            "copies": _grouped(vision["sets"], list(pictures)),
        },
        "imagededup": {"copies": _hash_copies(hashes, list(pictures))},
    }


def _write(folder: Path, pictures: dict[str, Image.Image]) -> dict[str, str]:
    """Save the pictures, damaged and copied ones too; damage -> kind."""
    folder.mkdir()
    kinds = {damage: kind for kind, listed in DAMAGES.items() for damage in listed}
    for name, picture in pictures.items():
        picture.save(folder / f"{name}__clean.png", compress_level=1)
        for listed in (*DAMAGES.values(), COPIES):
            for what, apply in listed.items():
                apply(picture).save(folder / f"{name}__{what}.png", compress_level=1)
    return kinds


def _run(python: Path, program: str, pictures: Path, result: Path) -> dict:
    subprocess.run([python, "-c", program, pictures, result], check=True, stdout=subprocess.DEVNULL)
    return json.loads(result.read_text())


def _flaws(rows: dict, kinds: dict[str, str], names: list[str]) -> list[dict]:
    found = []
    for damage, kind in kinds.items():
        if kind not in _SCORES:
            continue
        score, issue = f"{_SCORES[kind]}_score", f"is_{_SCORES[kind]}_issue"
        clean = np.array([rows[f"{name}__clean.png"][score] for name in names])
        damaged = np.array([rows[f"{name}__{damage}.png"][score] for name in names])[:, None]
        found.append({
            "kind": kind,
            "damage": damage,
            "auc": float(((damaged < clean) + 0.5 * (damaged == clean)).mean()),
            "flagged": float(np.mean([rows[f"{name}__{damage}.png"][issue] for name in names])),
        })  # fmt: skip
    return found


def _false_flags(rows: dict, names: list[str]) -> dict[str, float]:
    issues = [f"is_{issue}_issue" for issue in ("blurry", "dark", "light", "low_information")]
    flagged = {issue: [name for name in names if rows[f"{name}__clean.png"][issue]] for issue in issues}
    return {issue: len(having) / len(names) for issue, having in flagged.items()}


def _grouped(sets: list[list[str]], names: list[str]) -> list[dict]:
    """Whether a copy stands in one set with its original."""
    together = {(one, other) for group in sets for one in group for other in group}
    return [
        {
            "copy": copy,
            "recognized": float(np.mean([(f"{n}__clean.png", f"{n}__{copy}.png") in together for n in names])),
        }
        for copy in COPIES
    ]


def _hash_copies(hashes: dict[str, str], names: list[str]) -> list[dict]:
    def bits(one: str, other: str) -> int:
        return bin(int(hashes[one], 16) ^ int(hashes[other], 16)).count("1")

    clean = [f"{name}__clean.png" for name in names]
    different = np.array([bits(a, b) for i, a in enumerate(clean) for b in clean[:i]])
    found = []
    for copy in COPIES:
        pairs = np.array([bits(f"{name}__clean.png", f"{name}__{copy}.png") for name in names])
        auc = (pairs[:, None] < different) + 0.5 * (pairs[:, None] == different)
        found.append({"copy": copy, "auc": float(auc.mean()), "recognized": float((pairs <= _HASH_LIMIT).mean())})
    return found
