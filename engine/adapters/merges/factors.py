r"""Low-rank factors of updates, exact where there are any, and the nearest of some rank without the full product.

The change of a LoRA is :math:`B A`. With :math:`B = Q_B R_B` and :math:`A^T = Q_A R_A` (thin QR), its singular values
are those of :math:`R_B R_A^T`, whose sides are at most the rank: by the theorem of Eckart and Young (1936), its first r
give the nearest matrix of rank r.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ..extraction import Share, Wanted, cut_off
from ..kinds import Hadamard, Kronecker, LowRank, Update
from ..kinds.summing import Part, joined


def factored(update: Update) -> LowRank | None:
    """The same change of the weight as a LoRA, without its bias; ``None`` where its tensors aren't such products.

    LoHa of rank r has rank r², and LoKr the product of both sides' ranks.
    """
    if isinstance(update, LowRank):
        return replace(update, bias=None)
    if isinstance(update, Hadamard) and update.cores is None:
        return _of_hadamard(update)
    if isinstance(update, Kronecker) and "lokr_w2_b" in update.tensors and "lokr_t2" not in update.tensors:
        return _of_kronecker(update)
    return None


def _of_hadamard(update: Hadamard) -> LowRank:
    r""":math:`(A_1 B_1) \odot (A_2 B_2)`: columns and rows of both factors, each multiplied with each."""
    a1, b1, a2, b2 = (factor.float() for factor in update.factors)
    up = (a1[:, :, None] * a2[:, None]).flatten(1)
    down = (b1[:, None] * b2[None]).flatten(0, 1)
    return LowRank(down, up, alpha=update.alpha / update.rank * len(down))


def _of_kronecker(update: Kronecker) -> LowRank:
    r""":math:`W_1 \otimes A_2 B_2 = (U \otimes A_2)(V \otimes B_2)`; of :math:`W_1 = U V` one side is the identity."""
    import torch

    own = {part: tensor.float().cpu() for part, tensor in update.tensors.items()}
    first = own["lokr_w1"] if "lokr_w1" in own else own["lokr_w1_a"] @ own["lokr_w1_b"]
    a, b = own["lokr_w2_a"], own["lokr_w2_b"].flatten(1)
    wide = first.shape[1] > first.shape[0]
    u, v = (torch.eye(len(first)), first) if wide else (first, torch.eye(first.shape[1]))
    down = torch.kron(v, b)
    return LowRank(down, torch.kron(u, a), alpha=update.alpha / update.rank * len(down))


def together(parts: list[Part]) -> LowRank | None:
    """The sum of updates as one LoRA, float32, with a scale of 1; ``None`` if one of them has no factors.

    Args:
        parts: (update, weight) of one module; at least one.
    """
    found = [(factored(update), weight) for update, weight in parts if not update.only_bias]
    low_rank = [(update, weight) for update, weight in found if update is not None]
    if len(low_rank) < len(found) or not found:
        return None
    whole = joined(low_rank, "cpu")
    scale = whole.alpha / whole.rank
    down, up = whole.down.float().flatten(1), whole.up.float().flatten(1) * scale
    return LowRank(down, up, alpha=float(len(down)))


def shaped(update: LowRank, shape: tuple[int, ...]) -> LowRank:
    """The update with factors in the shapes that files have for a weight of this shape.

    Args:
        update: with factors of two dimensions, (rank, in · kh · kw) and (out, rank).
        shape: (out, in) or (out, in, kh, kw).
    """
    out, *inner = shape
    down, up = update.down.reshape(update.rank, *inner), update.up.reshape(out, update.rank, *[1] * len(inner[1:]))
    return replace(update, down=down.contiguous(), up=up.contiguous())


def balanced(update: LowRank) -> LowRank:
    """The same change with both factors of each rank about equally large, so that neither leaves float16's range.

    They are multiplied by powers of two, which rounds nothing in float32.
    """
    import torch

    down, up = update.down.flatten(1), update.up.flatten(1)
    own, other = down.norm(dim=1), up.norm(dim=0)
    ratio = torch.where((own > 0) & (other > 0), other / own, torch.ones_like(own))
    power = torch.exp2((ratio.log2() / 2).round())
    return replace(
        update, down=(down * power[:, None]).reshape(update.down.shape), up=(up / power).reshape(update.up.shape)
    )


def compressed(update: LowRank, wanted: Wanted) -> tuple[LowRank, Share]:
    """The nearest LoRA with the ranks that are wanted, alpha equal to its rank, and what it keeps.

    Args:
        update: with factors of two dimensions.
        wanted: ranks.
    """
    import torch

    scale = update.alpha / update.rank
    q_up, r_up = torch.linalg.qr(update.up.double() * scale)
    q_down, r_down = torch.linalg.qr(update.down.double().T)
    u, s, vh = torch.linalg.svd(r_up @ r_down.T, full_matrices=False)
    total = s.square().sum().item()
    rank = cut_off(s, total, wanted)
    root = s[:rank].sqrt()
    up, down = (q_up @ u[:, :rank] * root).float(), ((q_down @ vh[:rank].T) * root).T.float()
    found = LowRank(down.contiguous(), up.contiguous(), alpha=float(rank))
    return found, Share(s[:rank].square().sum().item(), total, rank)


def smaller_than_whole(update: LowRank) -> bool:
    """Whether its factors have fewer values than the weight that they change."""
    out, rank = update.up.shape[:2]
    inner = prod(update.down.shape[1:])
    return rank * (out + inner) < out * inner
