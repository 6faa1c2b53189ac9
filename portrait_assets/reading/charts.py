"""Small pictures made of characters, readable without colour."""

from collections.abc import Sequence

HEIGHTS = "▁▂▃▄▅▆▇█"
WIDTHS = "▏▎▍▌▋▊▉"


def sparkline(values: Sequence[float | None]) -> str:
    """One block a value, the highest full; `_` at zero and `·` where there was no time to count."""
    top = max((value for value in values if value is not None), default=0)
    return "".join("·" if value is None else "_" if value <= 0 else HEIGHTS[min(7, int(value / top * 8))] for value in values)


def bar(share: float, top: float, width: int = 8) -> str:
    """A bar of at most `width` cells, full at `top`; at least a sliver for what is not zero."""
    eighths = min(max(1, round(share / top * width * 8)), width * 8) if share > 0 and top > 0 else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + (WIDTHS[rest - 1] if rest else "")).ljust(width)


def dots(score: int, of: int = 5) -> str:
    """`●●●○○`."""
    return "●" * score + "○" * (of - score)
