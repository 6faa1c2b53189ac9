"""Sizes, windows and seeds of the behaviour model: one frozen value, logged whole."""

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class BehaviourConfig:
    """Everything that decides a training besides its data. Days are UTC days; a `window` is one as-of point."""

    outcome_event: str = "purchase"  # the event type whose absence is churn and whose items are predicted
    horizon_days: int = 14  # predictions are about [as_of, as_of + horizon)
    inward_days: tuple[int, ...] = (7, 3, 1)  # days before the horizon at which the probability of no purchase is predicted too
    outlook_days: tuple[int, int] = (28, 90)  # how far ahead churn, spend and purchases are predicted as well
    popular_days: int = 60  # targets are the most bought of these days before the as-of
    targets: int = 100  # categories and items with a served head
    windows: int = 14  # as-of points a horizon apart that the network learns from
    boost_windows: int = 7  # the latest of them that the boosted pair heads learn from
    # network
    width: int = 64
    layers: int = 2
    attention_heads: int = 4
    dropout: float = 0.1
    visits_kept: int = 160  # the latest visits of a user that the network reads
    item_vocabulary: int = 4000
    network_targets: int = 200  # categories, and items, that the network predicts
    epochs: int = 10
    batch_users: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    # boosting
    boost_rounds: int = 120
    boost_leaves: int = 31
    boost_rate: float = 0.06
    pair_rows: int = 600_000  # user x target rows a pair booster may see
    user_rounds: int = 250  # of the boosters that predict a user's own outcomes: fewer rows, so smaller and slower
    user_leaves: int = 8
    user_rate: float = 0.02
    affinity_items: int = 1000  # most bought items by which users are alike; 0 leaves that out
    # habits
    half_lives_days: tuple[float, ...] = (7.0, 30.0, 120.0)
    # declared attributes
    attribute_min_users: int = 100
    attribute_min_class: int = 15
    segments: int = 8  # clusters of the user vectors
    seed: int = 7
    threads: int = 1  # threads wait for each other: on two busy cores two are slower than one

    def as_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def of(cls, told: dict) -> "BehaviourConfig":
        """The inverse of `as_dict`, through JSON too. TypeError where there is a name it does not know."""
        sizes: dict = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
        return cls(**sizes)


CPU = BehaviourConfig()
TINY = BehaviourConfig(
    targets=8,
    windows=4,
    boost_windows=3,
    width=16,
    layers=1,
    attention_heads=2,
    visits_kept=32,
    item_vocabulary=200,
    network_targets=16,
    epochs=2,
    boost_rounds=20,
    boost_leaves=7,
    pair_rows=20_000,
    user_rounds=30,
    user_rate=0.1,
    affinity_items=100,
    attribute_min_users=30,
    attribute_min_class=5,
    segments=3,
)
# For a GPU: networks of 3 and 17 million weights in their blocks instead of 67 thousand, on longer histories. Boosters are as they are.
GPU = replace(
    CPU,
    width=256,
    layers=6,
    attention_heads=8,
    visits_kept=512,
    item_vocabulary=20_000,
    epochs=20,
    batch_users=256,
    learning_rate=1e-3,
)
GPU_LARGE = replace(GPU, width=512, layers=8, visits_kept=1024, item_vocabulary=50_000, learning_rate=5e-4)
PRESETS = {"tiny": TINY, "cpu": CPU, "gpu": GPU, "gpu-large": GPU_LARGE}
