"""Write the demo base's model card: ``model_card.md`` with every figure filled in from what it is a figure of.

Measured figures come from ``evaluation.json``, sizes from the model's own files, subjects and styles from ``world.py``.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import world

TEMPLATE = Path(__file__).with_name("model_card.md")


def write_card(evaluation: Path) -> Path:
    """Write ``README.md`` beside the figures.

    Args:
        evaluation: what ``evaluate_base.py`` wrote, in the model's own folder.

    Returns:
        The card's path.
    """
    folder = evaluation.parent
    places = measured(json.loads(evaluation.read_text(encoding="utf-8"))) | architecture(folder) | known_world()
    card = folder / "README.md"
    card.write_text(TEMPLATE.read_text(encoding="utf-8").format(**places), encoding="utf-8")
    return card


def measured(figures: dict) -> dict:
    """The measured figures, and the classes that came out worst."""
    by_class = sorted(figures["subject_by_class"].items(), key=lambda item: item[1])
    places = {key: value for key, value in figures.items() if not isinstance(value, dict)}
    places |= {f"wanted_{key}": value for key, value in figures["wanted"].items()}
    for name, shares in (("by_style", figures["subject_by_style"]), ("by_class", dict(reversed(by_class)))):
        places[name] = " | ".join(f"{share:.0%}" for share in shares.values())
        places[f"{name}_head"] = " | ".join(shares)
        places[f"{name}_rule"] = "|".join("--:" for _ in shares)
    return places


def architecture(folder: Path) -> dict:
    """Sizes of the parts, from their configurations and weights."""
    text, unet, vae, scheduler = (_config(folder, part) for part in ("text_encoder", "unet", "vae", "scheduler"))
    weights = {part: folder / part for part in ("text_encoder", "unet", "vae")}
    return {
        "text_layers": text["num_hidden_layers"],
        "text_width": text["hidden_size"],
        "text_length": text["max_position_embeddings"],
        "vocabulary": text["vocab_size"],
        "unet_widths": ", ".join(map(str, unet["block_out_channels"])),
        "latent_channels": vae["latent_channels"],
        "latent_side": world.SIZE // 2 ** (len(vae["block_out_channels"]) - 1),
        "prediction": {"v_prediction": "v", "epsilon": "the noise"}[scheduler["prediction_type"]],
        "text_parameters": _millions(parameters(weights["text_encoder"])),
        "unet_parameters": _millions(parameters(weights["unet"])),
        "vae_parameters": _millions(parameters(weights["vae"])),
        "megabytes": sum(file.stat().st_size for file in folder.glob("*/*")) / 1e6,
    }


def known_world() -> dict:
    """What captions of the training pictures could say."""
    groups = {
        class_word: [world.SPOKEN.get(name.strip(), name.strip()) for name in listed.split(",")]
        for class_word, listed in world.SUBJECTS.items()
    }
    subject_count = sum(map(len, groups.values()))
    return {
        "styles": ", ".join(world.PACKAGES),
        "style_count": len(world.PACKAGES),
        "backgrounds": ", ".join(world.BACKGROUNDS),
        "background_count": len(world.BACKGROUNDS),
        "subjects": "\n".join(f"| {class_word} | {', '.join(names)} |" for class_word, names in groups.items()),
        "subject_count": subject_count,
        "picture_count": subject_count * len(world.PACKAGES),
        "held_out": ", ".join(world.HELD_OUT[:-1]) + f" or {world.HELD_OUT[-1]}",
    }


def parameters(folder: Path) -> int:
    """Values in the safetensors files of a folder, counted from their headers."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    return total


def _config(folder: Path, part: str) -> dict:
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    return json.loads((folder / part / name).read_text(encoding="utf-8"))


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluation", type=Path, help="evaluation.json in the model's folder")
    print(write_card(parser.parse_args().evaluation))


if __name__ == "__main__":
    main()
