"""Every stored table whose columns no pack decides, said once; of the others what a row is.

Times are UTC `timestamp`s. Money is whole cents, quantities are whole thousandths (a litre of fuel is 1000), so that
sums add, take back and recompute to the same bits in any order.
"""

from portrait_assets.tables import Column, Table, Wide

# The largest numbers that are kept, in units: the stored whole number is then at most 10^11, so that a hundred years of 250 such
# events a day for one user, amount, discount and coupon together, add up within 64 bits. What is larger is rejected at the door.
LARGEST = {
    "quantity": 100_000_000, "amount": 1_000_000_000, "discount": 1_000_000_000, "coupon": 1_000_000_000, "rating": 1_000_000,
}  # fmt: skip

EVENT_BODY = (
    Column("event_time", "timestamp", "when it happened, UTC"),
    Column(
        "local_time", "timestamp", "the same instant on the source's wall clock: date, weekday and hour of day come from it"
    ),
    Column("has_time", "boolean", "false where the source gives a date without an hour: local midnight stands for it"),
    Column("user_id", "varchar", "who, as the source names them"),
    Column("event_type", "varchar", "what happened, one of the pack's event types"),
    Column("item_id", "varchar", "the item concerned, as the source names it; null where none is"),
    Column("session_id", "varchar", "events that belong together: a basket, an order, a visit; null where the source has none"),
    Column("quantity_milli", "bigint", "thousandths of a unit"),
    Column("amount_cents", "bigint", "what was paid (or paid back, for a return), cents, never negative"),
    Column("discount_cents", "bigint", "price reductions the shop gave, cents"),
    Column("coupon_cents", "bigint", "reductions by coupon, cents"),
    Column("rating", "double", "stars or points of a review"),
    Column("text", "varchar", "search words or review text"),
    Column("place_id", "varchar", "shop, branch or channel"),
    Column("campaign_id", "varchar", "campaign of a coupon or an exposure"),
)

RAW_EVENTS = Table(
    "raw.events",
    "one accepted event as received (append-only)",
    (
        Column("source", "varchar", "name of the source mapping"),
        Column("event_key", "varchar", "identity declared by the mapping, or the canonical row and its ordinal among equals"),
        Column("event_version", "bigint", "newest version of a key wins; 0 where the source has none"),
        Column("is_deletion", "boolean", "a marker that takes the event of this key back"),
        *EVENT_BODY,
        Column("event_date", "date", "UTC day of event_time: the partition"),
        Column("ingested_at", "timestamp", "when we learnt it, UTC"),
        Column("batch_id", "varchar", "the landed batch that brought it"),
        Column("batch_seq", "bigint", "its place in the order of landing: what is new since a refresh lies at the end"),
        Column("row_number", "bigint", "row within the batch, from 1"),
        Column("is_first", "boolean", "nothing was told of this key before; later rows of a key correct it, or take it back"),
        Column("key_hash", "ubigint", "DuckDB's hash of event_key: keys are looked for by it, and compared where it is shared"),
    ),
    partition="event_date",
)

RAW_QUARANTINE = Table(
    "raw.quarantine",
    "one rejected row",
    (
        Column("source", "varchar", "name of the source mapping"),
        Column("stream", "varchar", "which stream of the mapping read it"),
        Column("batch_id", "varchar", "the landed batch that brought it"),
        Column("row_number", "bigint", "row within the batch, from 1"),
        Column("reason", "varchar", "what is wrong, for a person"),
        Column("payload", "varchar", "the row as received, JSON"),
    ),
)

RAW_BATCHES = Table(
    "raw.batches",
    "one landed batch: what one file of one stream said when it was landed",
    (
        Column("batch_id", "varchar", "hash of stream, mapping and bytes, with a number where the same was said before"),
        Column("batch_seq", "bigint", "order of landing, from 1"),
        Column("source", "varchar", "name of the source mapping"),
        Column("stream", "varchar", "which stream of the mapping read it"),
        Column("declaration", "varchar", "hash of what decides the identity of its events; one for all batches of a stream"),
        Column("files", "varchar", "name of the file"),
        Column("sha256", "varchar", "hash of the file's bytes"),
        Column("bytes", "bigint", "size of the file"),
        Column(
            "statement_seq",
            "bigint",
            "batch_seq of the batch that first said this; another one where a mended mapping has read an unchanged file anew",
        ),
        Column("keep", "varchar", "latest or first: which value the stream keeps of an item or a user; null for events"),
        Column("rows_in", "bigint", "rows read: accepted + duplicate + rejected"),
        Column("rows_accepted", "bigint", "rows kept"),
        Column("rows_duplicate", "bigint", "rows that say what holds already, or held before an older version"),
        Column("rows_rejected", "bigint", "rows in quarantine"),
        Column(
            "rows_skipped",
            "bigint",
            "rows not counted as read: outside the stream's `where`, or without an id and rejected by another stream of the table",
        ),
        Column(
            "first_date", "date", "earliest day of the accepted rows, and of what they correct: the first day that can change"
        ),
        Column("last_date", "date", "latest such day: the last day whose own events can change"),
        Column("landed_at", "timestamp", "wall clock of the landing, UTC"),
    ),
)

RAW_FILES = Table(
    "raw.files",
    "one file, as a stream landed it last",
    (
        Column("source", "varchar", "name of the source mapping"),
        Column("stream", "varchar", "which stream of the mapping read it"),
        Column("place", "varchar", "where it lies: within the source's folder, elsewhere the folder's own name and the file's"),
        Column("batch_id", "varchar", "the batch that it was: one with the same bytes need not be read"),
    ),
)

RAW_FAILURES = Table(
    "raw.failures",
    "one file that could not be landed, until it is",
    (
        Column("source", "varchar", "name of the source mapping"),
        Column("stream", "varchar", "which stream of the mapping read it; none where it fits no table"),
        Column("files", "varchar", "its name"),
        Column("reason", "varchar", "why, for a person"),
        Column("failed_at", "timestamp", "wall clock, UTC"),
    ),
)

RAW_ITEMS = Table(
    "raw.items",
    "one item as described by one batch",
    (
        Column("source", "varchar", "name of the source mapping"),
        Column("item_id", "varchar", "the item, as the source names it"),
        Column("department", "varchar", "top of the hierarchy"),
        Column("category", "varchar", "middle of the hierarchy"),
        Column("item_type", "varchar", "bottom of the hierarchy"),
        Column("brand", "varchar", "brand or brand class"),
        Column("maker", "varchar", "manufacturer"),
        Column("name", "varchar", "what a person would call it"),
        Column("size", "varchar", "package size as written"),
        Column("unit", "varchar", "unit of quantity where it is not pieces, e.g. gallon"),
        Column("ingested_at", "timestamp", "when we learnt it, UTC; null is from the start"),
        Column("batch_id", "varchar", "the landed batch that brought it"),
        Column("row_number", "bigint", "row within the batch, from 1"),
    ),
)

RAW_ATTRIBUTES = Table(
    "raw.attributes",
    "one declared attribute of one user as said by one batch",
    (
        Column("source", "varchar", "name of the source mapping"),
        Column("user_id", "varchar", "who, as the source names them"),
        Column("attribute", "varchar", "an attribute of the pack; null where nothing but the user is known"),
        Column("value", "varchar", "declared value; unknown is absent"),
        Column("ingested_at", "timestamp", "when we learnt it, UTC; null is from the start"),
        Column("batch_id", "varchar", "the landed batch that brought it"),
        Column("row_number", "bigint", "row within the batch, from 1"),
    ),
)

CLEAN_IDENTITIES = Table(
    "clean.identities",
    "one source id over one validity interval -> the person behind it (one to one until merges arrive)",
    (
        Column("source", "varchar", "name of the source mapping"),
        Column("source_user_id", "varchar", "id as the source gives it"),
        Column("user_id", "varchar", "the person: the id everything downstream uses"),
        Column("valid_from", "date", "first day of validity; null is open"),
        Column("valid_to", "date", "first day no longer valid; null is open"),
    ),
)

CLEAN_ITEMS = Table(
    "clean.items",
    "one item, of each column what holds",
    (
        Column("item_id", "varchar", "the item"),
        Column("department", "varchar", "top of the hierarchy; null is unknown"),
        Column("category", "varchar", "middle of the hierarchy; null is unknown"),
        Column("item_type", "varchar", "bottom of the hierarchy; null is unknown"),
        Column("brand", "varchar", "brand or brand class; null is unknown"),
        Column("maker", "varchar", "manufacturer; null is unknown"),
        Column("name", "varchar", "what a person would call it"),
        Column("size", "varchar", "package size as written"),
        Column("unit", "varchar", "unit of quantity where it is not pieces"),
    ),
)

CLEAN_USERS = Wide("clean.users", "one user that the source declares; unknown stays null")

CLEAN_EVENTS = Wide(
    "clean.events",
    "one distinct event: the newest version of its key, deletions gone",
    partition="event_date",
)

FEATURES_VISIT = Wide(
    "features.visit",
    "user x visit x UTC day, with its events in order: what the sequence model reads",
    partition="event_date",
)

FEATURES_USER_DAY = Wide(
    "features.user_day",
    "user x UTC day x local date: additive partials; any range is the sum of its days, less what two of them both counted",
    partition="event_date",
)

FEATURES_USER_DAY_INTEREST = Wide(
    "features.user_day_interest",
    "user x UTC day x value of each facet that attention is counted by: additive partials",
    partition="event_date",
)

FEATURES_USER_STATE = Wide(
    "features.user_state",
    "user x active UTC day: running totals through that day; only events change it, a quiet user adds no row",
    partition="event_date",
)

INTEREST_TYPE = 'struct("value" varchar, share_milli bigint)[]'

FEATURES_INTERESTS = Wide(
    "features.interests",
    "user x active UTC day: where the attention goes, decayed; shares do not move with the clock, only events change them",
    partition="event_date",
)

FEATURES_CUT_POINTS = Table(
    "features.cut_points",
    "calendar month x measure: quintile cuts frozen from the state before the month",
    (
        Column("event_date", "date", "first day of the month the cuts serve: the partition"),
        Column("measure", "varchar", "what is cut"),
        Column("cuts", "bigint[]", "four ascending cuts between five classes"),
        Column("user_count", "bigint", "users they were taken from"),
    ),
    partition="event_date",
)

MODELS_REGISTRY = Table(
    "models.registry",
    "one trained model and what the gate said of it",
    (
        Column("version", "varchar", "hash of the model's content"),
        Column("trained_through", "date", "as-of of the training: it saw events before this instant only"),
        Column("status", "varchar", "champion, rejected or rolled back"),
        Column("reason", "varchar", "why, for a person"),
        Column("metrics", "varchar", "validation metrics, JSON"),
        Column("config", "varchar", "configuration, JSON"),
        Column("mlflow_run_id", "varchar", "the run that shows its curves"),
        Column("mlflow_version", "varchar", "its number in the MLflow registry"),
        Column("recorded_at", "timestamp", "wall clock, UTC"),
        Column("not_predicted", "varchar", "target -> why it has no predictions, JSON"),
    ),
)

MODELS_SEGMENTS = Table(
    "models.segments",
    "model x cluster of user vectors: its number and name, as they were given when the model was first recorded",
    (
        Column("model_version", "varchar", "the model whose vectors were clustered"),
        Column("cluster", "bigint", "the model's own number of it, 0 for that of most users"),
        Column("segment_id", "bigint", "the number people see: that of the champion before's segment which shares most users"),
        Column("name", "varchar", "the words of greatest lift"),
        Column("traits", "varchar", "the same with their lifts; null where nothing sets its users apart"),
        Column("users", "bigint", "users in it at the training's as-of"),
        Column("share", "double", "of all users then"),
        Column("centre", "float[]", "the point of the vectors' space that its users are nearest to"),
    ),
)

MODELS_RANKING = Table(
    "models.ranking",
    "cutoff x rival x target x measure: how good recommendations would have been",
    (
        Column("cutoff", "date", "as-of of the ranking; the fortnight after it judges"),
        Column("rival", "varchar", "served: the ranker; else what it is beside"),
        Column("target", "varchar", "window, basket (its first visit), again or discover"),
        Column("measure", "varchar", "recall, ndcg, hit or mrr of the ten best, deep_recall of the twenty best"),
        Column("users", "bigint", "users with such a target"),
        Column("mean", "double", "mean over them"),
    ),
)

MODELS_EVALUATION = Table(
    "models.evaluation",
    "cutoff x head x model: how good the model would have been there, and its rivals",
    (
        Column("cutoff", "date", "everything before this instant was learnt from, the fortnight after it is the truth"),
        Column("head", "varchar", "what is told: churn, category, item or department"),
        Column("model", "varchar", "served, or a rival"),
        Column("auc", "double", "mean over the head's targets, of users active in the 90 days before"),
        Column("log_loss", "double", "mean over users and targets, nats"),
        Column("ece", "double", "expected calibration error, ten equally filled bins"),
    ),
)

SCORES_VECTORS = Table(
    "scores.vectors",
    "user x scored day: the user vector, no declared attribute in it",
    (
        Column("event_date", "date", "UTC day: the partition"),
        Column("user_id", "varchar", "the person"),
        Column("model_version", "varchar", "the model that made it; null before the first model"),
        Column("embedding", "float[]", "one length for all: see docs/vector.md"),
    ),
    partition="event_date",
)

_PREDICTION = (
    Column("event_date", "date", "UTC day: the partition"),
    Column("user_id", "varchar", "the person"),
    Column(
        "target", "varchar", "what is told: a column of portraits.snapshots, a declared attribute, category_14d or item_14d"
    ),
    Column("class", "varchar", "category, item or attribute value; null where the target has none"),
    Column("probability", "double", "calibrated, 0 to 1; null for an amount"),
    Column("model_version", "varchar", "the model that made it"),
)

SCORES_PREDICTIONS = Table(
    "scores.predictions",
    "user x day x target x class: what the portrait says of risk, of what is to come and of undeclared attributes",
    (*_PREDICTION, Column("value", "double", "an amount to expect: days, purchases or cents; null for a probability")),
    partition="event_date",
)

SCORES_NEXT_PURCHASES = Table(
    "scores.next_purchases",
    "user x published day x category or item: what the user will buy within 14 days",
    _PREDICTION,
    partition="event_date",
)

SCORES_SEGMENTS = Table(
    "scores.segments",
    "user x day: the cluster of user vectors the user stands in; users of whom nothing but exposures is known stand in none",
    (
        Column("event_date", "date", "UTC day: the partition"),
        Column("user_id", "varchar", "the person"),
        Column("cluster", "bigint", "the model's own number of it; models.segments has the number and name people see"),
        Column("model_version", "varchar", "the model whose vectors and centres these are"),
    ),
    partition="event_date",
)

PORTRAITS_SNAPSHOTS = Wide("portraits.snapshots", "user x day: the portrait at the end of the day", partition="event_date")

PORTRAITS_CHANGES = Table(
    "portraits.changes",
    "one change of one tag of one user",
    (
        Column("event_date", "date", "the day at whose end the new value holds: the partition"),
        Column("user_id", "varchar", "the person"),
        Column("tag_id", "varchar", "the tag"),
        Column("from_value", "varchar", "null: the tag was absent"),
        Column("to_value", "varchar", "null: the tag went away"),
        Column("cause", "varchar", "event, correction, clock, calendar (new cut points) or model"),
        Column("batch_seq", "bigint", "the newest landed batch that told of the user's events of the day; null without events"),
        Column("catalogue_version", "bigint", "version of the tag's definition"),
    ),
    partition="event_date",
)

PORTRAITS_AUDIENCES = Table(
    "portraits.audiences",
    "day x saved audience x member",
    (
        Column("event_date", "date", "UTC day: the partition"),
        Column("audience", "varchar", "its name in the home's audiences.toml"),
        Column("user_id", "varchar", "a person who is in it at the end of the day"),
    ),
    partition="event_date",
)

# Intervals are a pure function of the changes, so they are a view: nothing to keep in step.
TAGS_VIEW = """
create or replace view portraits.tags as
select user_id, tag_id, to_value as "value", catalogue_version, event_date as valid_from,
       lead(event_date) over (partition by user_id, tag_id order by event_date) as valid_to
from portraits.changes
qualify to_value is not null
"""

_RECOMMENDED = (
    Column("rank", "bigint", "1 is best"),
    Column("item_id", "varchar", "the item"),
    Column("score", "double", "higher is better; comparable within a user"),
    Column("probability", "double", "calibrated chance of buying it within 14 days; null where no model ranked"),
    Column("reason", "varchar", "why, for a person"),
    Column("draw_chance", "double", "of what was drawn to explore: how likely the draw was; null for what the scores show"),
)

RECOMMENDATIONS_TOP = Table(
    "recommendations.top",
    "user x rank, per published day: the blended list",
    (
        Column("event_date", "date", "UTC day: the partition"),
        Column("user_id", "varchar", "the person"),
        Column(
            "list", "varchar", "again: bought before; discover: never bought; popular: a fallback for want of anything personal"
        ),
        *_RECOMMENDED,
    ),
    partition="event_date",
)

RECOMMENDATIONS_LISTS = Table(
    "recommendations.lists",
    "user x list x rank, per published day: what to buy again and what to discover, each on its own",
    (
        Column("event_date", "date", "UTC day: the partition"),
        Column("user_id", "varchar", "the person"),
        Column("list", "varchar", "again or discover"),
        *_RECOMMENDED,
    ),
    partition="event_date",
)

OBSERVABILITY_DRIFT = Table(
    "observability.drift",
    "published day x earlier day x key feature: how far its distribution moved since",
    (
        Column("event_date", "date", "UTC day: the partition"),
        Column("compared_with", "date", "28 days before, and the day through which the model in force was trained"),
        Column(
            "feature", "varchar", "column of portraits.snapshots, or the thousandths of attention on the strongest category"
        ),
        Column("psi", "double", "population stability index against the earlier day; above 0.2 is a large move"),
        Column("users", "bigint", "users with a portrait on the day"),
        Column("users_before", "bigint", "users with a portrait on the earlier day"),
        Column("moved_bin", "varchar", "the range of values that moved most"),
        Column("moved_from", "double", "the share of users it held on the earlier day"),
        Column("moved_to", "double", "the share of users it holds"),
    ),
    partition="event_date",
)

OBSERVABILITY_TAG_QUALITY = Table(
    "observability.tag_quality",
    "published day x tag: how far it can be relied on",
    (
        Column("event_date", "date", "UTC day: the partition"),
        Column("tag_id", "varchar", "the tag"),
        Column("dimension", "varchar", "as in the catalogue"),
        Column("kind", "varchar", "as in the catalogue"),
        Column("users", "bigint", "users who have the tag"),
        Column("coverage", "double", "their share of all users"),
        Column("stale_share", "double", "of them, those whose tag is older than its ttl; 0 where it has none"),
        Column("mean_confidence", "double", "mean confidence of those who have it"),
        Column("median_age_days", "double", "days the median user has had the present value, no longer than the kept history"),
        Column("flips_per_week", "double", "how often a user who has it takes another value or loses it, in the last 28 days"),
        Column(
            "truth",
            "varchar",
            "what its accuracy was measured against: declared, or what happened; null where nothing is known",
        ),
        Column("truth_as_of", "date", "the as-of at which it was told of those users"),
        Column("truth_users", "bigint", "users of whom the truth is known"),
        Column("accuracy", "double", "share of them for whom the value came true"),
        Column("baseline_accuracy", "double", "the same of always saying the most frequent value"),
        Column("told", "double", "the mean probability it gave the value it said"),
        Column("calibration_error", "double", "expected calibration error of that probability, ten bins"),
        Column("redundant_with", "varchar", "the other tag that says most of the same"),
        Column("redundancy", "double", "normalised mutual information with it over users: 0 nothing in common, 1 the same"),
        Column("used_by", "varchar[]", "what reads it: tag.<id>, audience.<name>, narrative, card; empty is unused"),
    ),
    partition="event_date",
)

CATALOGUE_VERSIONS = Table(
    "catalogue.versions",
    "tag x definition that was ever published: by it the values of a former version stay readable",
    (
        Column("tag_id", "varchar", "the tag"),
        Column("version", "bigint", "its number in the catalogue"),
        Column("fingerprint", "varchar", "hash of what decides the tag's values, confidence and evidence"),
        Column("definition", "varchar", "the whole entry as JSON, its expressions without references to other tags"),
        Column("first_day", "date", "first day that was published with it"),
        Column("last_day", "date", "last day that was published with it"),
        Column("recorded", "bigint", "in which order definitions came: a number of the home's own"),
    ),
)

META_HISTORY = Table(
    "meta.history",
    "one row: where the kept history of portraits begins",
    (Column("first_date", "date", "first day with portraits and tag history; without a row, the first day of the data"),),
)

META_MATERIALIZATIONS = Table(
    "meta.materializations",
    "table x day: which version of code and inputs wrote it",
    (
        Column("table_name", "varchar", "the table"),
        Column("event_date", "date", "the day; null for a table without days"),
        Column("version", "varchar", "hash of code, pack and model"),
        Column(
            "through_seq", "bigint", "newest batch it holds, of those in order of landing; -1 where a day before it was missing"
        ),
        Column("written_at", "timestamp", "wall clock, UTC"),
    ),
)

FEATURES_SELECTION = Table(
    "features.selection",
    "model x candidate feature column: was it used, and why not",
    (
        Column("model_version", "varchar", "the model that was fitted on the selection"),
        Column("feature", "varchar", "candidate column of features/as_of.sql"),
        Column("outcome", "varchar", "kept, constant, sparse or duplicate"),
        Column("duplicate_of", "varchar", "the kept column it repeats"),
        Column("correlation", "double", "with that column"),
    ),
)

FEATURES_FUSION = Table(
    "features.fusion",
    "model x block of the user vector: what went in, what it became",
    (
        Column("model_version", "varchar", "the model that fitted the block"),
        Column("block", "varchar", "block of the vector"),
        Column("columns", "bigint", "numbers going in"),
        Column("slots", "bigint", "numbers it has in the vector"),
        Column("used_slots", "bigint", "of them not always zero"),
        Column("variance_share", "double", "its share of the vector's variance"),
    ),
)
