"""Settings that leave the result as it is: sample pictures, saving and memory."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.fields import Settings, setting
from .circumstances import Circumstances


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Settings):
    """Sample pictures during training. They don't affect the result."""

    title = "Samples"

    sample_every: int = setting(
        0, "Steps between sample pictures; 0 for none.", minimum=0, maximum=1_000_000, keyed=False
    )
    sample_prompts: tuple[str, ...] = setting((), "Prompts of the sample pictures, one per line.", keyed=False)


def _takes_snapshots(now: Circumstances) -> bool:
    return now.recipe.saving.takes_snapshots


@dataclass(frozen=True, kw_only=True)
class SavingSettings(Settings):
    """What is saved during training. It doesn't affect the result."""

    title = "Saving"

    save_every: int = setting(
        100, "Steps between saves of the training state, in case of a crash. Canceling always saves the last step.",
        minimum=1, maximum=1_000_000, keyed=False,
    )  # fmt: skip
    snapshot_steps: tuple[int, ...] = setting(
        (), "Steps after which a snapshot of the adapter is saved, comma-separated.", minimum=1, maximum=1_000_000,
        keyed=False,
    )  # fmt: skip
    snapshot_every: int = setting(
        0, "Steps between snapshots of the adapter, to choose the best one afterwards; 0 for none. Usually a tenth of "
        "the steps.",
        since="0.2", minimum=0, maximum=1_000_000, keyed=False,
    )  # fmt: skip
    snapshot_epochs: float = setting(
        0.0, "Epochs between snapshots of the adapter, repeats included; 0 for none.",
        since="0.2", minimum=0, maximum=1_000_000, step=1, keyed=False,
    )  # fmt: skip
    keep_snapshots: int = setting(
        0, "Snapshots that are kept beside the finished adapter: the newest ones, while older ones are removed as the "
        "run goes on. 0 keeps all.",
        since="0.2", minimum=0, maximum=100_000, keyed=False, used=_takes_snapshots,
        unused="without snapshot_steps, snapshot_every or snapshot_epochs",
    )  # fmt: skip
    tensorboard: bool = setting(
        False, "Write losses, learning rate, measures and sample pictures as TensorBoard events too, in the folder of "
        "the run in the run store. It needs the library tensorboard; the report of a run doesn't.",
        since="0.2", keyed=False,
    )  # fmt: skip

    @property
    def takes_snapshots(self) -> bool:
        """Whether any snapshots are due before the end."""
        return bool(self.snapshot_steps or self.snapshot_every or self.snapshot_epochs)


def _blocks_problem(setting: str) -> str:
    return "" if setting in ("auto", "none", "all") or setting.isdigit() else "expected auto, none, all or a number"


@dataclass(frozen=True, kw_only=True)
class MemorySettings(Settings):
    """How a run fits into memory, and how its steps are computed. Only compile affects the result, and only in its last
    digits."""

    title = "Memory"

    checkpointing: str = setting(
        "auto", "Blocks of the denoiser whose activations are computed again in the backward pass, not kept: auto "
        "takes as few as the free memory needs; or none, all, or a number. All take about a third more time.",
        since="0.2", keyed=False, check=_blocks_problem,
    )  # fmt: skip
    streaming: str = setting(
        "auto", "Blocks whose frozen weights stay in the machine's memory and come to the GPU one after the other. It "
        "takes far more time than fewer bits do: auto only where nothing else fits; or none, all, or a number.",
        since="0.2", keyed=False, check=_blocks_problem,
    )  # fmt: skip
    compile: bool = setting(
        False, "Compile the denoiser's blocks with torch.compile. The first step of each size of pictures takes "
        "minutes longer; on most GPUs the others are then faster. A CPU gains little. Streamed blocks aren't compiled.",
        since="0.2", neutral=False,
    )  # fmt: skip
    devices: int = setting(
        1, "GPUs of this machine that train together; 0 for all. Each takes micro-batches of its own, so "
        "gradient_accumulation should be a multiple. Without a GPU: processes on the CPU. Outside ComfyUI only.",
        since="0.2", minimum=0, maximum=64, keyed=False,
    )  # fmt: skip
