"""The tag catalogue as a page of Markdown."""

from portrait_assets.packs import Pack, Tag
from portrait_assets.packs.catalogue import DIMENSIONS
from portrait_assets.packs.domains import pattern_of


def catalogue_page(pack: Pack) -> str:
    """Every tag of `pack`, by dimension: what it means, its values, who answers for it."""
    counts = {dimension: sum(tag.dimension == dimension for tag in pack.catalogue) for dimension in DIMENSIONS}
    lines = [
        f"# {len(pack.catalogue)} tags: {pack.title}",
        "",
        "Made by `portrait tags page`. What each field means: [tags.md](tags.md).",
        "",
    ]
    for dimension in DIMENSIONS:
        lines += [
            f"## {dimension.capitalize()} ({counts[dimension]})",
            "",
            "| tag | what it means | values | kind, type, refresh | version, owner |",
        ]
        lines += ["|---|---|---|---|---|", *(_row(tag) for tag in pack.catalogue if tag.dimension == dimension), ""]
    return "\n".join(lines)


def _row(tag: Tag) -> str:
    status = "" if tag.status == "published" else f" ({tag.status})"
    cells = (
        f"**{tag.name}** {tag.name_zh}<br>`{tag.id}`{status}",
        tag.description
        + (f"<br>Needs {', '.join(f'`{name}` of {least} or more' for name, least in tag.needs.items())}." if tag.needs else ""),
        ", ".join(tag.values) or f"{'matches' if pattern_of(tag.domain or '') else 'any of'} `{tag.domain}`",
        f"{tag.kind}, {tag.value_type}, {tag.refresh}" + (f"<br>stale after {tag.ttl_days} days" if tag.ttl_days else ""),
        f"{tag.version}, {tag.owner}<br>{tag.sensitivity}",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
