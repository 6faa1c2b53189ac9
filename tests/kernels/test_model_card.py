"""The card of a model of the small shop."""

from dataclasses import replace

from portrait_assets import model_card
from tests.kernels.conftest import CONFIG


def test_a_card_tells_data_figures_and_limits(trained, shop):
    visits, report = shop["visits"], trained[1]
    text = model_card.card("abc", model_card.DataRange.of("shop", visits), report, "champion", "first model", CONFIG.as_dict())
    assert "# Behaviour model abc" in text and "Champion: first model." in text
    events = visits["line_count"].sum()
    assert (
        f"shop, {visits['event_date'].min()} to {visits['event_date'].max()}: {events:,} events in {visits.height:,} visits of 200 users"
        in text
    )
    churn = report.metrics.row(0, named=True)
    assert f"| churn | served | {churn['auc']:.4f} | {churn['log_loss']:.4f} | {churn['ece']:.4f} |" in text
    limits = text[text.index("## Limits") :]
    assert "- churn_90d: abstains: too little history" in limits and "- same: abstains: too few" in limits
    assert ("- churn: calibration error" in limits) == (churn["ece"] > model_card.LEAST_CHURN_ERROR)


def test_a_card_of_a_model_that_predicts_no_churn_is_made_too(trained, shop):
    """Where everybody buys all the time nobody shows what churn is, so there is no figure of it."""
    report = replace(trained[1], metrics=trained[1].metrics.clear())
    text = model_card.card(
        "abc", model_card.DataRange.of("shop", shop["visits"]), report, "champion", "first", CONFIG.as_dict()
    )
    assert "- churn: calibration error" not in text[text.index("## Limits") :]
