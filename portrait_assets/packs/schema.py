"""The stored tables whose columns follow a pack: its measures give a user's day, running totals, windows and ratios, its attributes what is
known of users."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from portrait_assets import columns as c
from portrait_assets.packs.attributes import Attribute
from portrait_assets.packs.classes import Act, Classes, Outcome, Rule, Segmented
from portrait_assets.packs.entities import Entities
from portrait_assets.packs.measures import Measure, Measures
from portrait_assets.tables import Column, Relation, Table

BEGUN_VISITS = Column(
    "begun_visits",
    "struct(visit_id varchar, local_hour utinyint, local_weekday utinyint)[]",
    "the visits counted, and when on the source's wall clock each began; no hour where none is known",
)


WIDE = ("events", "users", "visits", "interest_days", "interests", "user_day", "user_state", "snapshots")
"""The tables whose columns follow the pack."""
CLASSED = ("outcome", "value", "acts", "fifths", "tiers", "lifecycle", "segmented", "segments")


def _or(named: Sequence[Act | Rule]) -> str:
    """Names as one says them: a, b or c."""
    *others, last = [each.name for each in named] or ["none"]
    return f"{', '.join(others)} or {last}" if others else last


def _told_at(measure: Measure) -> Column:
    return Column(f"{measure.name}_at", "timestamp", f"when it was told: {measure.meaning}")


@dataclass(frozen=True)
class Schema:
    """The tables of a home with a pack, and what the templates of its SQL loop over."""

    entities: Entities
    measures: Measures
    classes: Classes
    attributes: tuple[Attribute, ...]

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All stored tables, with their columns."""
        fixed = tuple(value for value in vars(c).values() if isinstance(value, Table))
        return (*fixed, *(getattr(self, name) for name in WIDE))

    @property
    def column_names(self) -> frozenset[str]:
        """Those of the tables of users and their days."""
        return frozenset(
            name for table in (self.users, self.user_day, self.user_state, self.snapshots) for name in table.column_names
        )

    @cached_property
    def attribute_names(self) -> tuple[str, ...]:
        """What users may declare."""
        return tuple(attribute.name for attribute in self.attributes)

    @cached_property
    def inferred(self) -> tuple[str, ...]:
        """Of what users may declare, what a model may say of those who did not."""
        return tuple(attribute.name for attribute in self.attributes if attribute.inferred)

    def of(self, relation: Relation) -> Table:
        """A table with its columns."""
        return self._by_name[relation.name]

    @cached_property
    def _by_name(self) -> dict[str, Table]:
        return {table.name: table for table in self.tables}

    @cached_property
    def vocabulary(self) -> dict[str, Any]:
        """What a template may loop over."""
        of = self.measures.of_operation
        return {
            "measures": list(self.measures.all),
            "made_of_events": [measure for measure in self.measures.all if measure.operation not in ("distinct", "visits")],
            "added": of("count", "sum"),
            "active": self.measures.active,
            "dates": of("dates"),
            "distinct": of("distinct"),
            "begun": of("visits"),
            "last": of("last"),
            "counted_once": [measure for measure in self.measures.all if measure.counts_once],
            "carried": [measure.name for measure in self.measures.all if measure.is_carried],
            "ever": [measure.name for measure in self.measures.portrayed],
            "windowed": [measure.name for measure in self.measures.windowed],
            "windows": list(self.measures.windows),
            "ratios": list(self.measures.ratios),
            "attributes": list(self.attribute_names),
            "inferred": list(self.inferred),
            "never_inferred": [name for name in self.attribute_names if name not in self.inferred],
            "described": self.entities.described,
            "of_visits": self.entities.of_visits,
            "facets": self.entities.facets,
            "main": self.entities.main_facet,
            "ladder": self.entities.ladder,
            **{kind: getattr(self.classes, kind) for kind in CLASSED},
        }

    @cached_property
    def classed(self) -> frozenset[str]:
        """The columns of a portrait that move when the calendar brings new cut points."""
        scores = {name for name in self.snapshots.column_names if name.endswith("_score")}
        return frozenset(scores | {"value_tier", "segment", "main_act", "pace_days", "lifecycle"})

    @cached_property
    def users(self) -> Table:
        """clean.users."""
        return Table.of(
            c.CLEAN_USERS,
            Column("user_id", "varchar", "the person"),
            *(Column(each.name, "varchar", f"declared: {each.meaning}; null is unknown") for each in self.attributes),
        )

    @cached_property
    def events(self) -> Table:
        """clean.events."""
        ladder = self.entities.ladder
        return Table.of(
            c.CLEAN_EVENTS,
            Column("event_date", "date", "UTC day of event_time: the partition"),
            Column("event_time", "timestamp", "when it happened, UTC"),
            Column("local_date", "date", "the day on the source's wall clock: what a person calls the day of the event"),
            Column("local_hour", "utinyint", "hour of day on the source's wall clock, 0-23; null for a date without an hour"),
            Column("local_weekday", "utinyint", "weekday on the source's wall clock, 1 is Monday, 7 is Sunday"),
            Column("user_id", "varchar", "the person"),
            Column("event_type", "varchar", "what happened, one of the pack's event types"),
            Column("item_id", "varchar", "the item, known or not; null where none is concerned"),
            Column("is_known_item", "boolean", "the item is described in clean.items; null where none is concerned"),
            *(Column(level.name, "varchar", "of the item; null is unknown") for level in self.entities.described),
            Column(ladder.name, "utinyint", ladder.meaning),
            Column("visit_id", "varchar", "session_id, or the event's local date where the source has no sessions"),
            Column("quantity_milli", "bigint", "thousandths of a unit; null is unknown"),
            Column("amount_cents", "bigint", "paid, or paid back for a return; cents"),
            Column("discount_cents", "bigint", "price reductions the shop gave, cents"),
            Column("coupon_cents", "bigint", "reductions by coupon, cents"),
            Column("is_outlier", "boolean", "quantity or amount beyond the pack's plausible limits: flagged, not dropped"),
            Column("rating_milli", "bigint", "thousandths of a rating point; null without a rating"),
            Column("place_id", "varchar", "shop, branch or channel"),
            Column("campaign_id", "varchar", "campaign of a coupon or an exposure"),
            Column("source", "varchar", "name of the source mapping"),
            Column("event_key", "varchar", "identity of the event within its source"),
            Column("ingested_at", "timestamp", "when we learnt this version, UTC"),
            Column("batch_seq", "bigint", "the landed batch that told this version, in order of landing"),
            Column("is_corrected", "boolean", "the event was told more than once, and this is what holds"),
        )

    @cached_property
    def visits(self) -> Table:
        """features.visit."""
        return Table.of(
            c.FEATURES_VISIT,
            Column("event_date", "date", "UTC day: the partition"),
            Column("user_id", "varchar", "the person"),
            Column("visit_id", "varchar", "basket, order or session; a visit over midnight is one row a day"),
            Column("visit_time", "timestamp", "first event of the visit on this day, UTC"),
            Column("local_hour", "utinyint", "wall-clock hour of the first event that has one; null where none has"),
            Column("local_weekday", "utinyint", "wall-clock weekday of the first event, 1 is Monday"),
            Column("line_count", "bigint", "events in the visit"),
            Column("spend_cents", "bigint", "paid for purchases, cents"),
            Column("refund_cents", "bigint", "paid back for returns, cents"),
            Column("discount_cents", "bigint", "reductions on purchases, cents"),
            Column("coupon_cents", "bigint", "coupon reductions on purchases, cents"),
            Column("event_types", "varchar[]", "one per event, in event order"),
            Column("item_ids", "varchar[]", "one per event; null where none is concerned"),
            *(Column(level.plural, "varchar[]", "one per event; null is unknown") for level in self.entities.of_visits),
        )

    @cached_property
    def interest_days(self) -> Table:
        """features.user_day_interest."""
        return Table.of(
            c.FEATURES_USER_DAY_INTEREST,
            Column("event_date", "date", "UTC day: the partition"),
            Column("user_id", "varchar", "the person"),
            *(Column(facet.name, facet.type, "null is unknown") for facet in self.entities.facets),
            Column("points", "bigint", "attention: the pack's points per event type, summed"),
            Column("purchases", "bigint", "purchase lines"),
            Column("spend_cents", "bigint", "paid for purchases, cents"),
        )

    @cached_property
    def interests(self) -> Table:
        """features.interests."""
        return Table.of(
            c.FEATURES_INTERESTS,
            Column("event_date", "date", "the day they run through: the partition"),
            Column("user_id", "varchar", "the person"),
            *(
                Column(
                    facet.plural,
                    c.INTEREST_TYPE,
                    f"the five strongest {facet.plural.replace('_', ' ')}, with thousandths of the user's decayed attention",
                )
                for facet in self.entities.facets
            ),
            *self._of_main(""),
        )

    def _of_main(self, dimension: str) -> tuple[Column, ...]:
        main = self.entities.main_facet
        return (
            Column(f"{main.name}_count", "bigint", f"{dimension}{main.plural} ever given attention"),
            Column("unknown_share_milli", "bigint", f"{dimension}thousandths of attention on items of unknown {main.name}"),
        )

    @cached_property
    def user_day(self) -> Table:
        """features.user_day: beside its measures what was counted distinct, and when what is last was told."""
        return Table.of(
            c.FEATURES_USER_DAY,
            Column("event_date", "date", "UTC day: the partition"),
            Column("user_id", "varchar", "the person"),
            Column("local_date", "date", "the day on the source's wall clock"),
            *(Column(measure.name, measure.type, measure.meaning) for measure in self.measures.all),
            *(_told_at(measure) for measure in self.measures.of_operation("last")),
            BEGUN_VISITS,
            *(
                Column(f"{measure.name}_values", f"{measure.of_type.lower()}[]", f"what was counted: {measure.meaning}")
                for measure in self.measures.of_operation("distinct")
            ),
        )

    @cached_property
    def user_state(self) -> Table:
        """features.user_state."""
        outcome = self.classes.outcome.name
        return Table.of(
            c.FEATURES_USER_STATE,
            Column("event_date", "date", "the day the totals run through: the partition"),
            Column("user_id", "varchar", "the person"),
            Column("first_date", "date", "first local date with an event"),
            Column("last_active_date", "date", "last local date on which the user did something; null before"),
            Column(f"first_{outcome}_date", "date", f"first local date with a {outcome}; null before"),
            Column(f"last_{outcome}_date", "date", f"last local date with a {outcome}; null before"),
            Column("gap_days", "bigint", f"days between the last two {outcome} days; null before the second"),
            Column("gap_square_days", "bigint", f"running sum of squared gaps between {outcome} days, days squared"),
            *(Column(measure.name, measure.type, f"running total of: {measure.meaning}") for measure in self.measures.all),
            *(_told_at(measure) for measure in self.measures.of_operation("last")),
            *(
                Column(
                    f"carried_{measure.name}",
                    "bigint",
                    f"of this UTC day, what the day before had counted already: {measure.meaning}",
                )
                for measure in self.measures.all
                if measure.is_carried
            ),
        )

    @cached_property
    def snapshots(self) -> Table:
        """portraits.snapshots."""
        outcome, classes, facets = self.classes.outcome.name, self.classes, self.entities.facets
        return Table.of(
            c.PORTRAITS_SNAPSHOTS,
            Column("event_date", "date", "UTC day: the partition"),
            Column("user_id", "varchar", "the person"),
            Column("as_of", "date", "everything before this instant (00:00 UTC) is in, nothing else"),
            Column("first_date", "date", "behaviour: first local date with an event"),
            Column("tenure_days", "bigint", "behaviour: days from then to the local date of the as-of's last microsecond"),
            Column("last_active_date", "date", "behaviour: last local date on which the user did something"),
            Column("recency_days", "bigint", "behaviour: days since then, as for tenure_days"),
            Column(
                f"last_{outcome}_date", "date", f"behaviour: last local date with a {outcome}; null where nothing of it stayed"
            ),
            Column(f"{outcome}_recency_days", "bigint", "behaviour: days since then"),
            Column("mean_gap_days", "double", f"behaviour: mean days between {outcome} days; null before the second"),
            Column("std_gap_days", "double", "behaviour: their standard deviation; null before the third"),
            Column("last_gap_days", "bigint", f"behaviour: days between the last two {outcome} days"),
            Column(
                "usual_gap_days",
                "double",
                f"behaviour: mean days between {outcome} days (between active days of who has none), from the pack's least gaps on",
            ),
            *(Column(measure.name, measure.type, f"behaviour, ever: {measure.meaning}") for measure in self.measures.portrayed),
            *(
                Column(f"{measure.name}_{days}d", "bigint", f"behaviour, last {days} days: {measure.meaning}")
                for measure in self.measures.windowed
                for days in self.measures.windows
            ),
            *(Column(ratio.name, "double", f"behaviour: {ratio.meaning}") for ratio in self.measures.ratios),
            *(
                Column(facet.plural, c.INTEREST_TYPE, f"preference: five strongest {facet.plural.replace('_', ' ')}")
                for facet in facets
            ),
            *(
                Column(f"top_{facet.name}", facet.type, f"preference: the strongest {facet.name.replace('_', ' ')}")
                for facet in facets
            ),
            *self._of_main("preference: "),
            *(
                column
                for each in self.attributes
                for column in (
                    Column(each.name, "varchar", f"social attribute: {each.meaning}, {each.origins}; null is unknown"),
                    Column(f"{each.name}_origin", "varchar", f"social attribute: {each.origins}; null is unknown"),
                    Column(
                        f"{each.name}_probability", "double", "social attribute: 1 where declared, the model's where inferred"
                    ),
                )
            ),
            Column(
                "recency_score",
                "bigint",
                "value: fifth of recency, 5 is most recent; null before the first cut points, as all scores",
            ),
            Column("frequency_score", "bigint", "value: fifth of active days in 365 days, 5 is most"),
            Column(
                "monetary_score",
                "bigint",
                f"value: fifth of {classes.value} in 365 days, 5 is most; null where nothing of it stayed",
            ),
            Column("value_tier", "varchar", f"value: {_or(classes.tiers)}"),
            *(Column(fifth.name, "bigint", fifth.meaning) for fifth in classes.fifths),
            Column(
                "main_act",
                "varchar",
                f"lifecycle: what the source's rhythm is of, the first that it has of {_or(classes.acts)}; null in the first month",
            ),
            Column(
                "pace_days",
                "double",
                "lifecycle: the gap that silence is measured by, the source's or the user's if longer; null where neither is known",
            ),
            Column(
                "lifecycle",
                "varchar",
                f"lifecycle: {_or(classes.lifecycle)}; null where no pace is known",
            ),
            Column(
                "churn",
                "double",
                "risk: probability of no purchase within churn_horizon_days; null before the first model, and where the source shows no rhythm",
            ),
            Column(
                "churn_horizon_days",
                "bigint",
                "risk: the days of `churn`, by the rhythm of the source and of the user; whole weeks",
            ),
            Column("churn_14d", "double", "risk: probability of no purchase in the next 14 days; null before the first model"),
            Column(
                "churn_28d", "double", "risk: the same within 28 days; null where the history is too short to be judged on it"
            ),
            Column("churn_90d", "double", "risk: the same within 90 days"),
            Column("alive_probability", "double", "risk: probability of not having left for good; null before a purchase"),
            Column(
                "next_purchase_days",
                "double",
                "value: median days to the next purchase; null beyond 28 or before the first model",
            ),
            Column("expected_spend_cents_14d", "double", "value: spend to expect of the next 14 days, cents"),
            Column("expected_spend_cents_90d", "double", "value: spend to expect of the next 90 days, cents"),
            Column("expected_purchases_90d", "double", "value: purchase days to expect of the next 90 days"),
            Column(
                "lifetime_value_cents_365d",
                "double",
                "value: spend to expect of a year, cents: that of 90 days, gone on with as the lifetime models go on",
            ),
            Column("segment", "varchar", f"segment: {_or(classes.segments)}"),
            Column("model_version", "varchar", "the model behind the model fields; null before the first model"),
        )


def unmeasured(entities: Entities) -> Schema:
    """What there is whatever a pack measures: the events that measures are of, and names that they may not have."""
    nothing = Classes(Outcome(name="outcome", days="days", count="count"), "value", Segmented(), (), (), (), (), ())
    return Schema(entities, Measures((), (), ()), nothing, ())
