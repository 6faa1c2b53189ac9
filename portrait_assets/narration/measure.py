"""How much of what the local model writes can be used: python -m portrait_assets.narration.measure [--texts N]. Needs the model installed."""

import argparse
from collections import Counter

from portrait_assets.narration.checking import complaint
from portrait_assets.narration.facts import LANGUAGES, facts_of
from portrait_assets.narration.narrator import NAMES, SPACES
from portrait_assets.narration.writers import by_local_model
from portrait_assets.reading import Export
from portrait_assets.settings import Settings


def main(texts: int) -> None:
    """Draw texts for the first users of the published export, and count what becomes of them."""
    export = Export.current(Settings().published_dir)
    portraits = [export.portrait(user_id) for user_id in export.user_ids()[:texts]]
    for language in LANGUAGES:
        outcomes: Counter[str] = Counter()
        for seed, portrait in enumerate(portraits):
            facts = facts_of(portrait, language)
            text = by_local_model(SPACES[language].join(fact.draft for fact in facts), language, seed)
            outcomes[_kind(complaint(text, facts, language))] += 1
        print(
            f"{NAMES[language]}, {len(portraits)} texts: "
            + ", ".join(f"{kind} {count}" for kind, count in outcomes.most_common()),
            flush=True,
        )


def _kind(problem: str | None) -> str:
    """The complaint without what it is about."""
    if problem is None:
        return "told"
    return next(
        (
            kind
            for kind in ("missing", "doubled", "foreign", "number", "name", "negates", "differs", "no slot says")
            if kind in problem
        ),
        problem,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=40)
    main(parser.parse_args().texts)
