"""Train the demo base's UNet and CLIP text encoder together, from nothing, on the narrow world.

v-prediction (Salimans & Ho 2022, arXiv:2202.00512) on SD1.x's noise schedule rescaled to zero terminal SNR (Lin et
al. 2023, arXiv:2305.08891), min-SNR weighting with gamma 5 (Hang et al. 2023, arXiv:2303.09556), one caption in ten
dropped for classifier-free guidance, an exponential average of the weights. Resumable; samples are drawn as it goes.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import world
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

# Widths are multiples of the first and of 32, as ComfyUI's own UNet class demands; the block types are SD1.x's.
UNET = dict(
    sample_size=16,
    in_channels=8,
    out_channels=8,
    layers_per_block=1,
    block_out_channels=(64, 128, 128),
    norm_num_groups=32,
    cross_attention_dim=128,
    attention_head_dim=2,  # the number of heads, by an old mistake in diffusers' naming
    down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
)
TEXT = dict(
    vocab_size=2048,
    hidden_size=128,
    intermediate_size=512,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=32,
    projection_dim=128,
    bos_token_id=2046,
    eos_token_id=2047,
    pad_token_id=2047,
)
SCHEDULER = dict(
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    prediction_type="v_prediction",
    rescale_betas_zero_snr=True,
    timestep_spacing="trailing",
    clip_sample=False,
    steps_offset=1,
)
BATCH = 64
PEAK_RATE = 1.5e-3
WARMUP_STEPS = 200
EMA_DECAY = 0.9985
CAPTION_DROPOUT = 0.1
SNR_GAMMA = 5.0
SAVE_SECONDS = 240
JITTERS = 3
SAMPLE_PROMPTS = (
    "a noto style emoji of a red apple on a white background",
    "a twemoji style emoji of a cat face on a blue background",
    "a fluent style emoji of a dog face on a pink background",
    "a noto style emoji of a rocket on a purple background",
    "a twemoji style emoji of a house on a light green background",
    "a fluent style emoji of a penguin on a red background",
    "a noto style emoji of an owl on a yellow background",
    "a twemoji style emoji of a tree on a beige background",
    "an emoji of a banana on a teal background",
    "a noto style emoji of an animal on a gray background",
    "a fluent style emoji of a mushroom on a black background",
    "a twemoji style emoji of a guitar on an orange background",
    "a red heart on a light blue background",
    "a noto style emoji of a lion face on a brown background",
    "a fluent style emoji of a sailboat on a green background",
    "a twemoji style emoji of a turtle on a white background",
)


@dataclass
class Example:
    """One composed picture, encoded: its latent (8, 16, 16) and what captions may say of it."""

    latent: torch.Tensor
    picture: world.Picture
    background: str


@torch.no_grad()
def encode_world(vae: AutoencoderKL, packages: Path) -> list[Example]:
    """Every trained picture on every background, in ``JITTERS`` slightly moved and scaled versions."""
    rng = random.Random(1)
    examples = []
    for picture in world.trained_pictures(packages):
        cutout = picture.cutout()
        cells = [(name, color) for name, color in world.BACKGROUNDS.items() for _ in range(JITTERS)]
        images = [
            world.compose(
                cutout,
                color,
                scale=rng.uniform(0.80, 0.90),
                shift=(rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)),
            )
            for _, color in cells
        ]
        x = torch.stack([torch.from_numpy(world.to_array(i).copy()) for i in images]).permute(0, 3, 1, 2) / 127.5 - 1
        latents = vae.encode(x).latent_dist.mean
        examples += [Example(z, picture, name) for z, (name, _) in zip(latents, cells, strict=True)]
    return examples


class Denoiser:
    """UNet and text encoder with their shared optimizer, average and noise schedule."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        self.tokenizer = tokenizer
        self.unet = UNet2DConditionModel(**UNET).to(memory_format=torch.channels_last)
        self.unet.set_attn_processor(AttnProcessor())  # on CPU the fused kernel's bf16 backward is slow
        self.text_encoder = CLIPTextModel(CLIPTextConfig(**TEXT, hidden_act="quick_gelu"))
        self.scheduler = DDIMScheduler(**SCHEDULER)
        self.parameters = [*self.unet.parameters(), *self.text_encoder.parameters()]
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )

    def tokens(self, captions: list[str]) -> torch.Tensor:
        """Token ids, shape (batch, 32)."""
        return self.tokenizer(
            captions,
            padding="max_length",
            truncation=True,
            max_length=TEXT["max_position_embeddings"],
            return_tensors="pt",
        ).input_ids

    def loss(self, latents: torch.Tensor, captions: list[str]) -> torch.Tensor:
        """Min-SNR weighted v-prediction loss of latents (batch, 8, 16, 16)."""
        B = len(latents)
        noise = torch.randn_like(latents)
        t = torch.randint(0, self.scheduler.config.num_train_timesteps, (B,))
        x_t = self.scheduler.add_noise(latents, noise, t)
        v = self.scheduler.get_velocity(latents, noise, t)
        with torch.autocast("cpu", torch.bfloat16):
            states = self.text_encoder(self.tokens(captions))[0]
            predicted = self.unet(x_t, t, states).sample
        alpha_bar = self.scheduler.alphas_cumprod[t]
        snr = alpha_bar / (1 - alpha_bar)
        weight = snr.clamp(max=SNR_GAMMA) / (snr + 1) + 0.1  # the floor keeps the zero-SNR step in the lesson
        return (F.mse_loss(predicted.float(), v, reduction="none").mean((1, 2, 3)) * weight).mean()

    def step(self, latents: torch.Tensor, captions: list[str], rate: float, done: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.loss(latents, captions)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        torch._foreach_lerp_(
            self.average, [p.detach() for p in self.parameters], 1 - min(EMA_DECAY, (done + 1) / (done + 20))
        )
        return loss.item()

    def averaged(self) -> tuple[UNet2DConditionModel, CLIPTextModel]:
        """Copies of the two networks that hold the averaged weights."""
        unet, text_encoder = copy.deepcopy(self.unet), copy.deepcopy(self.text_encoder)
        with torch.no_grad():
            for target, value in zip(
                itertools.chain(unet.parameters(), text_encoder.parameters()), self.average, strict=True
            ):
                target.copy_(value)
        unet.set_attn_processor(AttnProcessor2_0())
        return unet.eval(), text_encoder.eval()

    def state(self) -> dict:
        return dict(
            unet=self.unet.state_dict(),
            text_encoder=self.text_encoder.state_dict(),
            average=self.average,
            optimizer=self.optimizer.state_dict(),
        )

    def load(self, state: dict) -> None:
        self.unet.load_state_dict(state["unet"])
        self.text_encoder.load_state_dict(state["text_encoder"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])


def pipeline(denoiser: Denoiser, vae: AutoencoderKL) -> StableDiffusionPipeline:
    """The averaged weights as a Stable Diffusion pipeline."""
    unet, text_encoder = denoiser.averaged()
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=denoiser.tokenizer,
        unet=unet,
        scheduler=denoiser.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(pipe: StableDiffusionPipeline, folder: Path) -> None:
    """Save in fp16, with the tokenizer files that older programs read beside the newer ones.

    transformers loads a model in the format that its configuration names, diffusers in float32: so the text encoder's
    configuration says float32, or a pipeline loaded without a format would mix the two and fail.
    """
    pipe.to(torch.float16).save_pretrained(folder)
    config = folder / "text_encoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dtype": "float32"}, indent=2) + "\n")
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(Path(pipe.tokenizer.name_or_path) / name, folder / "tokenizer" / name)


def save_samples(pipe: StableDiffusionPipeline, path: Path) -> None:
    pipe.set_progress_bar_config(disable=True)
    images = pipe(
        list(SAMPLE_PROMPTS),
        num_inference_steps=25,
        guidance_scale=3.0,
        height=world.SIZE,
        width=world.SIZE,
        generator=torch.Generator().manual_seed(0),
    ).images
    sheet = world.Image.new("RGB", (8 * world.SIZE, (len(images) + 7) // 8 * world.SIZE))
    for i, image in enumerate(images):
        sheet.paste(image, (i % 8 * world.SIZE, i // 8 * world.SIZE))
    sheet.resize((sheet.width * 2, sheet.height * 2), world.Image.Resampling.NEAREST).save(path)


def learning_rate(step: int, progress: float) -> float:
    """Warm-up, held for half of the time, then half a cosine down to a hundredth."""
    if progress < 0.5:
        return PEAK_RATE * min(1.0, (step + 1) / WARMUP_STEPS)
    return PEAK_RATE * (0.01 + 0.99 * 0.5 * (1 + torch.cos(torch.tensor((progress - 0.5) * 2 * torch.pi)).item()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="the folder node_modules")
    parser.add_argument("--out", type=Path, required=True, help="holds vae/ and tokenizer/ already")
    parser.add_argument("--minutes", type=float, default=120)
    args = parser.parse_args()
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(args.out / "vae").eval().requires_grad_(False)
    denoiser = Denoiser(CLIPTokenizer.from_pretrained(args.out / "tokenizer"))
    examples = encode_world(vae, args.packages)
    state_file, step, spent = args.out / "denoiser.pt", 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        denoiser.load(state)
        step, spent = state["step"], state["spent"]
        torch.manual_seed(step)
    rng, budget, saved, running = random.Random(step), args.minutes * 60, time.monotonic(), 0.0
    print(f"{len(examples)} examples, {sum(p.numel() for p in denoiser.parameters) / 1e6:.2f} M parameters", flush=True)
    while spent < budget:
        began = time.monotonic()
        batch = rng.sample(examples, BATCH)
        captions = [
            ""
            if rng.random() < CAPTION_DROPOUT
            else world.caption(e.picture.name, e.picture.class_word, e.picture.style, e.background, rng)
            for e in batch
        ]
        latents = torch.stack([e.latent for e in batch]).contiguous(memory_format=torch.channels_last)
        loss = denoiser.step(latents, captions, learning_rate(step, spent / budget), step)
        step += 1
        running = loss if step == 1 else 0.98 * running + 0.02 * loss
        spent += min(5.0, time.monotonic() - began)  # a paused machine does not count
        if step % 100 == 0:
            print(f"step {step} {spent:.0f}s loss {running:.4f}", flush=True)
        if time.monotonic() - saved > SAVE_SECONDS or spent >= budget:
            torch.save(denoiser.state() | dict(step=step, spent=spent), args.out / "denoiser.partial")
            (args.out / "denoiser.partial").replace(state_file)
            save_samples(pipeline(denoiser, vae), args.out / f"samples-{step:06d}.png")
            saved = time.monotonic()
    export(pipeline(denoiser, vae), args.out / "pipeline")


if __name__ == "__main__":
    main()
