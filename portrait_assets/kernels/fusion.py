"""One vector a user: blocks scaled to a stated share of the whole, then spread over all numbers by a fixed rotation.

Why the rotation: a reader usually standardises each number, which would blow the least direction up to the size of the
greatest. After a Hadamard rotation every number is an even mixture of all directions, so standardising changes nothing and
the blocks keep the weights given here. It is orthogonal: distances and dot products stay, `unfold` gives the blocks back.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.linalg import hadamard

# slots of the vector and share of its variance, in order; chosen on the as-ofs 2017-07-01 and 2017-09-10 of Complete Journey
BLOCKS = {
    "user_scores": (5, 90.0),
    "category_scores": (64, 4.0),
    "item_scores": (90, 6.0),
    "department_scores": (16, 1.0),
    "features": (32, 0.3),
    "state": (32, 0.2),
}
LENGTH = 256


@dataclass(frozen=True)
class BlockFit:
    """A block's own map: (x - mean - activity @ shared) @ basis, (N, D) -> (N, slots)."""

    mean: np.ndarray  # (D,)
    shared: np.ndarray  # (user_scores, D): what the user scores already say of it
    basis: np.ndarray  # (D, slots), scale included

    def apply(self, x: np.ndarray, activity: np.ndarray) -> np.ndarray:
        return (x - self.mean - activity @ self.shared) @ self.basis


@dataclass(frozen=True)
class Fusion:
    """The fitted blocks; one that is absent gives zeros."""

    blocks: dict[str, BlockFit]

    def vectors(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """(N, LENGTH) float32 from each block's raw columns."""
        rows = len(next(iter(inputs.values())))
        activity = standard_activity(self.blocks, inputs, rows)
        none = np.zeros((rows, 0))
        parts = [
            self.blocks[name].apply(inputs[name], none if name == "user_scores" else activity)
            if name in self.blocks
            else np.zeros((rows, slots))
            for name, (slots, _) in BLOCKS.items()
        ]
        flat = np.concatenate(parts, axis=1)
        return rotate(np.pad(flat, ((0, 0), (0, LENGTH - flat.shape[1])))).astype(np.float32)

    def outcome(self) -> pl.DataFrame:
        """What became of each block: columns in, slots, used slots, share of variance."""
        whole = sum(share for _, share in BLOCKS.values())
        rows = [
            (
                b,
                len(self.blocks[b].mean) if b in self.blocks else 0,
                slots,
                int((np.abs(self.blocks[b].basis).sum(0) > 0).sum()) if b in self.blocks else 0,
                share / whole,
            )
            for b, (slots, share) in BLOCKS.items()
        ]
        return pl.DataFrame(
            rows,
            schema={
                "block": pl.String,
                "columns": pl.Int64,
                "slots": pl.Int64,
                "used_slots": pl.Int64,
                "variance_share": pl.Float64,
            },
            orient="row",
        )


def rotate(x: np.ndarray) -> np.ndarray:
    """(N, LENGTH) by the symmetric Hadamard matrix, its own inverse."""
    return x @ (hadamard(LENGTH) / np.sqrt(LENGTH))


def unfold(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """The blocks of (N, LENGTH) vectors, (N, slots) each: what `Fusion.vectors` laid together."""
    flat, start, out = rotate(vectors), 0, {}
    for name, (slots, _) in BLOCKS.items():
        out[name] = flat[:, start : start + slots]
        start += slots
    return out


def standard_activity(blocks: dict[str, BlockFit], inputs: dict[str, np.ndarray], rows: int) -> np.ndarray:
    """(N, slots) the user scores block, what is taken out of the others; no columns before the first model."""
    if "user_scores" not in blocks:
        return np.zeros((rows, 0))
    return blocks["user_scores"].apply(inputs["user_scores"], np.zeros((rows, 0)))


def fit_fusion(inputs: dict[str, np.ndarray]) -> Fusion:
    """Fit every block on reference users: take out what the user scores say, principal components, scale to its share."""
    blocks: dict[str, BlockFit] = {}
    rows = len(next(iter(inputs.values())))
    for name, (slots, share) in BLOCKS.items():
        if name in inputs:
            activity = np.zeros((rows, 0)) if name == "user_scores" else standard_activity(blocks, inputs, rows)
            blocks[name] = fit_block(inputs[name], activity, slots, share, scale=name in ("user_scores", "features", "state"))
    return Fusion(blocks)


def fit_block(x: np.ndarray, activity: np.ndarray, slots: int, share: float, scale: bool) -> BlockFit:
    """`scale` standardises the columns first (they have units of their own); log odds keep theirs."""
    mean, deviation = x.mean(0), x.std(0)
    unit = np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0.0) if scale else np.ones(x.shape[1])
    centred = x - mean
    shared = np.linalg.lstsq(activity, centred, rcond=None)[0]
    rest = (centred - activity @ shared) * unit
    _, vectors = np.linalg.eigh(rest.T @ rest / max(len(rest), 1))
    axes = vectors[:, ::-1][:, :slots]
    if axes.size:  # the sign of an axis is arbitrary: its greatest entry is positive
        axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    energy = float((rest @ axes).var(0).sum())
    basis = unit[:, None] * axes * (np.sqrt(share / energy) if energy > 1e-12 else 0.0)
    # one memory order, so that a product has the same last bits before saving and after loading
    return BlockFit(
        mean, np.ascontiguousarray(shared), np.ascontiguousarray(np.pad(basis, ((0, 0), (0, slots - basis.shape[1]))))
    )
