"""How good the model is and how far its chances can be trusted, as a page."""

from math import sqrt

from portrait_assets.pages.frame import notice
from portrait_assets.pages.html import ACCENT, box, grid, soft, table, text, tiles
from portrait_assets.reading import Export
from portrait_assets.reading.model_figures import Part, reliability
from portrait_assets.reading.words import day

HEADS = "Heads on the held-out window"
SIDE = 180
SERVED = "served"


def model_page(export: Export, figures: dict[str, Part]) -> str:
    """The figures of the model behind `export`; a kind line where there is none."""
    if not export.model_versions:
        return notice(
            "No model yet",
            "No model had been trained by this day, so there are no chances to judge. <code>portrait run</code> trains one.",
        )
    if not figures:
        return notice(
            "No figures here", "The model's card is not in this home; it lies beside the model, where it was trained."
        )
    curves = reliability(figures.get("Calibration"))
    panels = "".join(box(head.replace("_", " "), _curve(bins), "c2") for head, bins in curves.items())
    note = box("How to read it", soft(
        "Held-out users are sorted by the chance they were told and cut into ten equal parts. A point is one part: the chance told, "
        "to the right, against the share that came true, upwards, with its 95 % interval. On the diagonal, chances are what they say."
    ), "c12")  # fmt: skip
    return grid(
        _head(export, figures), _heads(figures), _section(figures, "Declared attributes, inferred", "c6"), panels, note,
        _section(figures, "Further ahead", "c12"), _limits(figures), kind="model",
    )  # fmt: skip


def _head(export: Export, figures: dict[str, Part]) -> str:
    part = figures.get(HEADS)
    auc = {(row[0], row[1]): row[2] for row in part.rows} if part else {}
    ece = {(row[0], row[1]): row[-1] for row in part.rows} if part else {}
    through = (export.manifest.get("trained_through") or {}).get("behaviour")
    return tiles(
        [
            ("model", export.model_versions[0][:8]),
            ("trained through", day(through) if through else "unknown"),
            ("AUC of churn, 14 days", auc.get(("churn", SERVED), "–")),
            ("AUC of next categories", auc.get(("category", SERVED), "–")),
            ("AUC of next items", auc.get(("item", SERVED), "–")),
            ("calibration error of churn", ece.get(("churn", SERVED), "–")),
        ]
    )


def _heads(figures: dict[str, Part]) -> str:
    """A head a row: the AUC of what serves beside its rivals', the best in bold; then how well its chances are calibrated."""
    part = figures.get(HEADS)
    if part is None or not {"head", "model", "auc", "log_loss", "ece"} <= set(part.head):
        return ""
    told = [dict(zip(part.head, row, strict=True)) for row in part.rows]
    heads, models = (list(dict.fromkeys(row[name] for row in told)) for name in ("head", "model"))
    auc = {(row["head"], row["model"]): row["auc"] for row in told}
    served = {row["head"]: row for row in told if row["model"] == SERVED}
    rows = []
    for head in heads:
        best = max(auc.get((head, model), "") for model in models)
        figures_of = [auc.get((head, model), "") for model in models]
        shown = [f"<b>{value}</b>" if value == best else value for value in figures_of]
        rows.append((text(head), *shown, served[head]["log_loss"], served[head]["ece"]))
    head_row = ("head", *models, "log loss", "ece")
    numbers = range(1, len(head_row))
    body = table(head_row, rows, list(numbers)) + soft(
        "AUC of what serves and of its rivals; log loss and calibration error of what serves. " + " ".join(part.words)
    )
    return box(HEADS, body, "c6")


def _section(figures: dict[str, Part], title: str, width: str) -> str:
    part = figures.get(title)
    if part is None or not part.rows:
        return ""
    numbers = [place for place in range(len(part.head)) if all(_is_number(row[place]) for row in part.rows)]
    kept = [place for place in range(len(part.head)) if any(row[place] for row in part.rows)]
    rows = [[f"<b>{text(row[place])}</b>" if SERVED in row else text(row[place]) for place in kept] for row in part.rows]
    head = [part.head[place].replace("_", " ") for place in kept]
    shown = table(head, rows, [index for index, place in enumerate(kept) if place in numbers])
    return box(title, shown + "".join(soft(line) for line in part.words), width)


def _limits(figures: dict[str, Part]) -> str:
    part, data = figures.get("Limits"), figures.get("Data")
    limits = "".join(f"<li>{text(line)}</li>" for line in (part.words if part else ()))
    return box("What it can not do", f"<ul>{limits}</ul>", "c7") + box(
        "What it learnt from", soft(" ".join(data.words if data else ())), "c5"
    )


def _curve(bins: list[tuple[float, float, int]]) -> str:
    """Told against seen, on axes that end at the greatest of both."""
    top = max((max(told, seen) for told, seen, _ in bins), default=0) * 1.08 or 1

    def place(told: float, seen: float) -> tuple[float, float]:
        return SIDE * min(told, top) / top, SIDE - SIDE * min(seen, top) / top

    points = ""
    for told, seen, count in bins:
        x, y = place(told, seen)
        spread = 1.96 * sqrt(max(seen * (1 - seen), 1e-9) / count) if count else 0
        low, high = place(told, max(0.0, seen - spread))[1], place(told, seen + spread)[1]
        points += (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{ACCENT}" opacity=".5"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{ACCENT}"><title>told {told:.1%}, seen {seen:.1%}, of {count:,}</title></circle>'
        )
    line = f'<line x1="0" y1="{SIDE}" x2="{SIDE}" y2="0" stroke="#b8c2cc" stroke-dasharray="4 3"/>'
    frame = f'<path d="M0 0V{SIDE}H{SIDE}" fill="none" stroke="#b8c2cc"/>'
    ends = f'<text x="{SIDE}" y="{SIDE + 14}" text-anchor="end">told {top:.0%}</text><text x="4" y="10">seen {top:.0%}</text>'
    return f'<svg class="curve" viewBox="-4 -6 {SIDE + 12} {SIDE + 26}" width="100%">{frame}{line}{points}{ends}</svg>'


def _is_number(cell: str) -> bool:
    return cell == "" or cell.replace(".", "", 1).replace("-", "", 1).isdigit()
