"""The sequence model: attention over a user's visits, read at as-of points, with many heads on one state.

A user is one sequence of S visit tokens followed by K as-of tokens. A visit sees itself and the visits before it; an as-of
token sees the visits before its instant and itself; nothing sees an as-of token of another instant. So one pass trains on
K as-of points of a user, and each is as blind to its future as it will be when served.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from portrait_assets.kernels.config import BehaviourConfig
from portrait_assets.kernels.labels import BINARY_TARGETS, USER_TARGETS
from portrait_assets.kernels.sequences import VISIT_NUMBERS

BAGS = ("item", "item_type", "category", "brand")  # what a visit's lines are embedded by
LEVELS = ("category", "item", "department")  # what the heads predict


@dataclass(frozen=True)
class Shape:
    """Sizes that come from the data: rows of each embedding bag (0 = unknown), columns of `features`, targets of each level."""

    bags: dict[str, int]
    features: int
    targets: dict[str, int]


@dataclass
class Batch:
    """B users. Visits of all users lie flat (n of them, L lines); `slot` puts each into its (B, S) place."""

    slot: Tensor  # (n,) long: b * S + s
    numbers: Tensor  # (n, VISIT_NUMBERS)
    lines: dict[str, Tensor]  # bag -> (L,) long
    offsets: Tensor  # (n,) long: first line of each visit
    visit_day: Tensor  # (B, S) days, +inf where there is no visit
    as_of_day: Tensor  # (B, K) days
    features: Tensor  # (B, K, features)
    habits: dict[str, Tensor]  # level -> (B, K, targets, H)
    row: Tensor  # (B, K) long: row of the label tables, -1 where the user was not yet seen

    def to(self, device: str) -> "Batch":
        """The same on that device."""
        moved: dict = {
            name: {key: tensor.to(device) for key, tensor in value.items()} if isinstance(value, dict) else value.to(device)
            for name, value in vars(self).items()
        }
        return Batch(**moved)


class VisitEncoder(nn.Module):
    """Lines, money, size and calendar of one visit to one vector."""

    def __init__(self, shape: Shape, config: BehaviourConfig):
        super().__init__()
        bags = {name: nn.EmbeddingBag(rows, config.width, mode="sum") for name, rows in shape.bags.items()}
        for bag in bags.values():
            nn.init.normal_(bag.weight, std=0.1)
        self.bags = nn.ModuleDict(bags)
        self.numbers = nn.Linear(VISIT_NUMBERS, config.width)
        self.mix = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, config.width), nn.GELU())

    def forward(self, batch: Batch) -> Tensor:  # -> (n, C)
        count = torch.diff(batch.offsets, append=batch.offsets.new_tensor([len(batch.lines["item"])])).clamp(min=1)
        content = sum(self.bags[name](batch.lines[name], batch.offsets) for name in BAGS)  # (n, C), always in this order
        x = content / count.sqrt().unsqueeze(1) + self.numbers(batch.numbers)
        return x + self.mix(x)


class Block(nn.Module):
    """Pre-norm attention with a learned fading of what is long ago, then a two-layer perceptron."""

    def __init__(self, config: BehaviourConfig):
        super().__init__()
        self.heads, width = config.attention_heads, config.width
        self.attention_norm, self.perceptron_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fade = nn.Parameter(torch.linspace(-3, 0.5, self.heads))
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, log_age: Tensor, visible: Tensor) -> Tensor:  # (B, T, C), (B, T, T), (B, T, T)
        b, t, c = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        bias = -F.softplus(self.fade).view(1, -1, 1, 1) * log_age.unsqueeze(1)  # (B, heads, T, T)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.masked_fill(~visible.unsqueeze(1), -1e9).to(q.dtype))
        x = x + self.dropout(self.project(seen.transpose(1, 2).reshape(b, t, c)))
        return x + self.dropout(self.perceptron(self.perceptron_norm(x)))


class BehaviourModel(nn.Module):
    """Visits and as-of points in, the user's state and the logits of every head at each as-of point out."""

    def __init__(self, shape: Shape, config: BehaviourConfig):
        super().__init__()
        self.visits, width = VisitEncoder(shape, config), config.width
        self.as_of = nn.Sequential(nn.Linear(shape.features + 1, width), nn.GELU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.state = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Dropout(config.dropout))
        self.user_head = nn.Linear(width, len(USER_TARGETS))
        self.target_heads = nn.ModuleDict({level: nn.Linear(width, count) for level, count in shape.targets.items()})
        # how much a habit counts: for all targets of a level alike, plus each target's own difference
        memory = len(config.half_lives_days) + 1
        self.habit = nn.ParameterDict(
            {level: nn.Parameter(torch.zeros(count + 1, memory)) for level, count in shape.targets.items()}
        )

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """State (B, K, C), user logits (B, K, USER_TARGETS), and per level logits (B, K, targets)."""
        b, s = batch.visit_day.shape
        encoded = self.visits(batch)  # (n, C)
        tokens = encoded.new_zeros(b * s, encoded.shape[1]).index_copy(0, batch.slot, encoded).view(b, s, -1)
        season = torch.sin(batch.as_of_day * (2 * torch.pi / 365.25)).unsqueeze(-1)
        points = self.as_of(torch.cat([batch.features, season], dim=-1))  # (B, K, C)
        x = torch.cat([tokens, points], dim=1).float()  # (B, S + K, C); what blocks add to it stays float32 in any precision
        log_age, visible = attention_view(batch.visit_day, batch.as_of_day)
        for block in self.blocks:
            x = block(x, log_age, visible)
        state = self.state(torch.cat([self.norm(x[:, s:]), points], dim=-1))  # (B, K, C)
        logits = {}
        for level, head in self.target_heads.items():
            weight = self.habit[level][:-1] + self.habit[level][-1]  # (targets, H)
            logits[level] = head(state) + (batch.habits[level] * weight).sum(-1)
        return state, self.user_head(state), logits


def attention_view(visit_day: Tensor, as_of_day: Tensor) -> tuple[Tensor, Tensor]:
    """log(1 + days between) and who may look at whom, (B, S + K, S + K) each, rows looking at columns."""
    s, k = visit_day.shape[1], as_of_day.shape[1]
    day = torch.cat([visit_day, as_of_day], dim=1).nan_to_num(posinf=0.0)  # (B, T)
    log_age = (day.unsqueeze(2) - day.unsqueeze(1)).clamp(min=0).log1p()
    earlier = torch.ones(s, s, dtype=torch.bool, device=day.device).tril().expand(len(day), s, s)  # visits are in time order
    before = visit_day.unsqueeze(1) < as_of_day.unsqueeze(2)  # (B, K, S): strictly before the instant
    to_visits = torch.cat([earlier, before], dim=1)
    itself = torch.eye(s + k, dtype=torch.bool, device=day.device)[:, s:].expand(len(day), s + k, k)
    return log_age, torch.cat([to_visits, itself], dim=2)


def joint_loss(user: Tensor, levels: dict[str, Tensor], outcomes: Tensor, bought: dict[str, Tensor]) -> Tensor:
    """All heads over N rows: yes-or-no and squared losses of (N, USER_TARGETS), and the mean cross-entropy of each level."""
    loss = F.binary_cross_entropy_with_logits(user[:, :BINARY_TARGETS], outcomes[:, :BINARY_TARGETS])
    loss = loss + 0.2 * F.mse_loss(user[:, BINARY_TARGETS:], outcomes[:, BINARY_TARGETS:])
    for level, logits in levels.items():
        loss = loss + 4.0 * F.binary_cross_entropy_with_logits(logits, bought[level])
    return loss
