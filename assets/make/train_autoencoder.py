"""Train the demo base's autoencoder: 64 px RGB to an 8-channel latent at a quarter of the side, and back.

All emoji of the three packages serve as material, but for the held-out subjects and one picture in twenty, which
measure it. Loss: L1 plus L1 of the image gradients, and a slight pull of the latents towards a unit Gaussian
(Kingma & Welling 2014, arXiv:1312.6114). Resumable: every few minutes weights, optimizer and clock are saved.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import world
from diffusers import AutoencoderKL

# Every channel count is a multiple of 32, the group count that ComfyUI's VAE class fixes.
CONFIG = dict(
    in_channels=3,
    out_channels=3,
    latent_channels=8,
    sample_size=world.SIZE,
    layers_per_block=1,
    norm_num_groups=32,
    block_out_channels=(32, 32, 64),
    down_block_types=("DownEncoderBlock2D",) * 3,
    up_block_types=("UpDecoderBlock2D",) * 3,
    scaling_factor=1.0,
)
KL_WEIGHT = 1e-5
GRADIENT_WEIGHT = 1.0
BATCH = 16
SAVE_SECONDS = 120


def split_pictures(packages: Path) -> tuple[list[world.Picture], list[world.Picture]]:
    """(training, held-out) pictures for the autoencoder."""
    pictures = world.all_pictures(packages)
    narrow = {p.path for p in world.trained_pictures(packages)}
    held_out = [p for i, p in enumerate(pictures) if i % 20 == 7 and p.path not in narrow]
    names = {p.path for p in held_out}
    return [p for p in pictures if p.path not in names], held_out


def draw_batch(cutouts: list, rng: random.Random, size: int) -> torch.Tensor:
    """Random compositions in [-1, 1], shape (BATCH, 3, size, size); smaller sizes are crops."""
    arrays = []
    for cutout in rng.sample(cutouts, BATCH):
        background = (
            rng.choice(list(world.BACKGROUNDS.values()))
            if rng.random() < 0.7
            else tuple(rng.randrange(256) for _ in range(3))
        )
        image = world.compose(
            cutout,
            background,
            scale=rng.uniform(0.55, 1.0),
            shift=(rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08)),
            angle=rng.uniform(-20, 20) if rng.random() < 0.3 else 0.0,
        )
        array = world.to_array(image)
        if rng.random() < 0.5:
            array = array[:, ::-1]
        top, left = rng.randint(0, world.SIZE - size), rng.randint(0, world.SIZE - size)
        arrays.append(array[top : top + size, left : left + size])
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 127.5 - 1


def gradients(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def loss_of(vae: AutoencoderKL, x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """(loss, mean squared error) of one batch."""
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(x).latent_dist
        decoded = vae.decode(posterior.mean + 0.03 * torch.randn_like(posterior.mean)).sample
    decoded = decoded.float()
    edges = sum(F.l1_loss(a, b) for a, b in zip(gradients(decoded), gradients(x), strict=True))
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    mse = F.mse_loss(decoded, x)
    return F.l1_loss(decoded, x) + 2.0 * mse + GRADIENT_WEIGHT * edges + KL_WEIGHT * kl, mse.item()


@torch.no_grad()
def psnr(vae: AutoencoderKL, pictures: list[world.Picture], count: int = 200) -> float:
    """Mean PSNR in dB over held-out pictures, each on a background of the narrow world, at 64 px."""
    vae.eval()
    values = []
    colors = list(world.BACKGROUNDS.values())
    for i, picture in enumerate(pictures[:count]):
        array = world.to_array(world.compose(picture.cutout(), colors[i % len(colors)]))
        x = torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        decoded = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        values.append(float(10 * torch.log10(4.0 / F.mse_loss(decoded, x))))
    vae.train()
    return sum(values) / len(values)


@torch.no_grad()
def normalize_latents(vae: AutoencoderKL, cutouts: list, rng: random.Random) -> None:
    """Fold each latent channel's mean and deviation into the two 1 x 1 convolutions around the latent.

    Afterwards every channel has mean 0 and deviation 1 over the material, so that ``scaling_factor`` is 1.
    """
    means = torch.cat([vae.encode(draw_batch(cutouts, rng, world.SIZE)).latent_dist.mean for _ in range(40)])
    mu, sigma = means.mean((0, 2, 3)), means.std((0, 2, 3))
    channels = len(mu)
    post_weight = vae.post_quant_conv.weight[:, :, 0, 0].clone()
    vae.post_quant_conv.bias += post_weight @ mu
    vae.post_quant_conv.weight *= sigma[None, :, None, None]
    vae.quant_conv.weight[:channels] /= sigma[:, None, None, None]
    vae.quant_conv.bias[:channels] = (vae.quant_conv.bias[:channels] - mu) / sigma
    vae.quant_conv.bias[channels:] -= 2 * sigma.log()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="the folder node_modules")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    args = parser.parse_args()
    torch.manual_seed(0)
    training, held_out = split_pictures(args.packages)
    narrow = [p.cutout() for p in world.trained_pictures(args.packages)]
    # The narrow world comes four times as often: it is what the base will draw.
    cutouts = [p.cutout() for p in training] + narrow * 4
    vae = AutoencoderKL(**CONFIG)
    for module in vae.modules():
        if type(module).__name__ == "ResnetBlock2D":  # residual branches start at zero: stable at a high rate
            torch.nn.init.zeros_(module.conv2.weight)
            torch.nn.init.zeros_(module.conv2.bias)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=2e-3, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    state_file = args.out / "autoencoder.pt"
    step, spent = 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        vae.load_state_dict(state["vae"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    rng, budget = random.Random(step), args.minutes * 60
    saved = time.monotonic()
    while spent < budget:
        began = time.monotonic()
        progress = spent / budget
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 200, max(0.01, 2.2 * (1 - progress)))
        x = draw_batch(cutouts, rng, 32 if progress < 0.5 else world.SIZE)
        loss, mse = loss_of(vae, x)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        spent += time.monotonic() - began
        if step % 200 == 0:
            print(
                f"step {step} {spent:.0f}s loss {loss.item():.4f} psnr(batch) {10 * np.log10(4 / mse):.2f}", flush=True
            )
        if time.monotonic() - saved > SAVE_SECONDS:
            torch.save(dict(vae=vae.state_dict(), optimizer=optimizer.state_dict(), step=step, spent=spent), state_file)
            saved = time.monotonic()
            print(f"held-out psnr {psnr(vae, held_out, 60):.2f} dB", flush=True)
    normalize_latents(vae, cutouts, rng)
    print(f"final held-out psnr {psnr(vae, held_out):.2f} dB", flush=True)
    vae.save_pretrained(args.out / "vae")


if __name__ == "__main__":
    main()
