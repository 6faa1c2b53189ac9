"""The real thing, small: the command line in processes of its own, Dagster, training, MLflow, exports, on 120 households."""

import json
import re
import shutil
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from portrait_assets.packs import load_pack
from portrait_assets.packs.pack import PACK_FILE
from portrait_assets.publishing import file_hash
from portrait_assets.settings import PROJECT_DIR
from tests.agreement import disagreements
from tests.end_to_end.slice import END, START, Shell, write_slice

AS_OF = date(2017, 4, 11)
DAYS = {str(START + timedelta(days=offset)) for offset in range((END - START).days + 1)}
FILES = ("portraits", "tags", "embeddings", "recommendations", "lists", "predictions", "changes")
EVERY_DAY = (
    "raw/events", "clean/events", "features/visit", "features/user_day", "features/user_day_interest", "features/user_state",
    "features/interests", "features/cut_points", "scores/predictions", "scores/segments", "portraits/snapshots", "portraits/changes",
    "portraits/audiences",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slice")


@pytest.fixture(scope="module")
def mapping(folder: Path) -> Path:
    return write_slice(folder / "source", END + timedelta(days=1))


@pytest.fixture(scope="module")
def ran(folder: Path, mapping: Path) -> Shell:
    """The home after `portrait run`."""
    shell = Shell(folder / "home")
    said = shell.run("run", "--source", mapping)
    assert "Dagster runs" in said.stdout and "Where to look next" in said.stdout
    return shell


@pytest.fixture(scope="module")
def exported(ran: Shell, folder: Path) -> Path:
    """The export of AS_OF out of that home, which then knows a later model and later events."""
    ran.run("snapshot", "--as-of", AS_OF, "--out", folder / "exported")
    return folder / "exported"


def hashes(export: Path) -> dict[str, str]:
    return {file.name: file_hash(file) for file in (*sorted(export.glob("*.parquet")), export / PACK_FILE)}


def manifest(export: Path) -> dict:
    return json.loads((export / "manifest.json").read_text())


def tables(shell: Shell) -> dict[str, tuple[int, int]]:
    """Table -> its rows and a hash of them, in any order; meta's wall clocks included, so nothing may have been written."""
    with duckdb.connect(str(shell.home / "warehouse.duckdb"), read_only=True) as warehouse:
        names = warehouse.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where not temporary order by all"
        ).fetchall()
        return {
            name: warehouse.execute(f"select count(*), coalesce(bit_xor(hash(t)), 0) from {name} as t").fetchone()
            for (name,) in names
        }


def dagster_runs(shell: Shell) -> list[tuple[str, str, str]]:
    with sqlite3.connect(shell.home / "dagster" / "history" / "runs.db") as runs:
        return runs.execute("select run_id, pipeline_name, status from runs order by run_id").fetchall()


def ask(sql: str, **parameters: object) -> list[tuple]:
    with duckdb.connect() as connection:
        return connection.execute(sql, parameters).fetchall()


# ------------------------------------------------------------------------------------------------------------------- the run


def test_every_partition_is_materialized_in_a_handful_of_runs(ran: Shell):
    import dagster as dg

    runs = dagster_runs(ran)
    assert [status for _, _, status in runs] == ["SUCCESS"] * len(runs) and len(
        runs
    ) == 5  # land, ingest, train, portraits, publish
    with dg.DagsterInstance.from_config(str(ran.home / "dagster")) as instance:
        for key in EVERY_DAY:
            assert instance.get_materialized_partitions(dg.AssetKey(key.split("/"))) == DAYS, key
        assert instance.get_materialized_partitions(dg.AssetKey(["published", "export"])) == {str(END)}


def test_rows_in_are_accepted_duplicate_or_rejected(ran: Shell, mapping: Path):
    with duckdb.connect(str(ran.home / "warehouse.duckdb"), read_only=True) as warehouse:
        batches = warehouse.execute(
            "select files, rows_in, rows_accepted + rows_duplicate + rows_rejected from raw.batches where stream = 'purchases'"
        ).fetchall()
    [(told,)] = ask(f"select count(*) from '{mapping.parent}/transactions.parquet'")
    assert batches == [("transactions.parquet", told, told)]


def test_a_second_run_changes_nothing(ran: Shell):
    before = dagster_runs(ran), tables(ran), sorted(p.name for p in Path(ran.home / "published").iterdir())
    said = ran.run("run")
    assert "nothing was stale, nothing was done" in said.stdout
    assert (dagster_runs(ran), tables(ran), sorted(p.name for p in Path(ran.home / "published").iterdir())) == before


def test_a_prediction_is_explained_by_events_without_which_the_same_model_says_less(ran: Shell):
    current = ran.home / "published" / "current"
    user, told = ask(
        f"select user_id, probability from '{current}/predictions.parquet' where target = 'churn_14d' order by probability, user_id"
    )[0]
    found = ran.json("explain", user, "churn_risk")
    assert found["claim"] == "a purchase in the next 14 days" and found["probability"] == pytest.approx(1 - told, abs=1e-6)
    assert 1 <= len(found["events"]) <= 5 and found["probability_without_events"] < found["probability"]
    assert found["reasons"] and all(len(reason["events"]) <= 5 for reason in found["reasons"])
    assert "nearest is 'churn_risk'" in ran.run("explain", user, "churn_risks", code=2).stderr


def test_explanations_are_put_to_the_deletion_test_and_heads_tell_what_drives_them(ran: Shell):
    from portrait_assets.explaining import deletion_test, drivers
    from portrait_assets.home import open_home
    from portrait_assets.settings import Settings

    home = open_home(Settings(home=ran.home))
    with home.warehouse.open("explain") as session:
        tested = deletion_test.deletion_test(session, home, END, "churn_14d", 3)
        driven = drivers.drivers(session, home, END, 3)
    cases = tested.cases
    assert len(cases) == 3 and (cases["named"] <= 5).all() and cases["user_id"].is_unique().all()
    assert (cases["without_named"] < cases["full"]).all() and (cases["without_best"] <= cases["without_named"]).all()
    assert "| all | 3 | 100.0% |" in deletion_test.page(tested, "made here")
    assert {"churn_14d", "category_14d"} <= set(driven.frame["head"]) and driven.users == 3
    assert (driven.frame["moved"] >= driven.frame["lost"].abs()).all() and driven.frame["moved"].max() > 0


def test_verify_finds_no_difference_and_then_one(ran: Shell):
    assert "No differences" in ran.run("verify").stdout
    damage = (
        "update portraits.snapshots set spend_cents = spend_cents {} 1 where user_id = '1' and event_date = date '2017-03-01'"
    )
    with duckdb.connect(str(ran.home / "warehouse.duckdb")) as warehouse:
        warehouse.execute(damage.format("+"))
    try:
        report = json.loads(ran.run("verify", "--json", code=1).stdout)
        assert [line["table"] for line in report if line["missing"] == line["surplus"] == 1] == ["portraits.snapshots"]
        assert "portraits.snapshots" in ran.run("verify", "--from", "2017-03-01", "--through", "2017-03-01", code=1).stdout
        ran.run("verify", "--from", "2017-03-02")
    finally:
        with duckdb.connect(str(ran.home / "warehouse.duckdb")) as warehouse:
            warehouse.execute(damage.format("-"))


def test_the_model_is_in_mlflow_with_its_figures_beside_the_baseline(ran: Shell):
    from portrait_assets.resources.tracking import REGISTERED_NAME, Tracking

    mlflow = Tracking(folder=str(ran.home / "mlflow")).connect()
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias(REGISTERED_NAME, "champion")
    assert version.tags["trained_through"] == "2017-05-15"
    run = client.get_run(version.run_id)
    assert run.data.params["trained_through"] == "2017-05-15" and {"width", "seed", "epochs"} <= set(run.data.params)
    heads = {name.split("/")[0] for name in run.data.metrics if name.endswith("windowed_counts/auc")}
    assert heads >= {"churn", "category", "item"}
    for head in heads:
        models = {name.split("/")[1] for name in run.data.metrics if name.startswith(f"{head}/")}
        assert len(models) >= 2, f"{head}: {models}"
    assert [step.step for step in client.get_metric_history(version.run_id, "served/loss")] == [0, 1]
    artifacts = {file.path for file in client.list_artifacts(version.run_id, "plots")}
    assert artifacts == {"plots/curves.png", "plots/heads_against_windowed_counts.png", "plots/reliability.png"}
    model = mlflow.pyfunc.load_model(f"models:/{REGISTERED_NAME}@champion")
    assert model.metadata.signature is not None
    assert model.metadata.signature.inputs.input_names() == ["user_id", "as_of", "visits", "features"]


def test_current_is_the_published_export_and_the_card_reads_it(ran: Shell):
    current = ran.home / "published" / "current"
    assert manifest(current)["as_of"] == str(END + timedelta(days=1))
    card = ran.json("show", "1")
    assert card == json.loads(ran.run("show", "1", "--json").stdout)
    assert "1" in ran.run("show", "1").stdout
    status = ran.json("status")
    assert status["published"] == current.resolve().name
    assert all(not line["stale_days"] for line in status["tables"])


# ---------------------------------------------------------------------------------------------------------------- the export


def test_a_snapshot_twice_is_the_same_files(ran: Shell, exported: Path, folder: Path):
    ran.run("snapshot", "--as-of", AS_OF, "--out", folder / "again")
    assert hashes(folder / "again") == hashes(exported)
    assert {**manifest(folder / "again"), "run": None} == {**manifest(exported), "run": None}
    ran.run("snapshot", "--as-of", AS_OF, "--out", folder / "again")  # over an export of ours
    assert hashes(folder / "again") == hashes(exported)


def test_tags_of_an_export_come_with_their_quality(ran: Shell, exported: Path):
    quality = {row["tag_id"]: row for row in ran.json("tags", "quality", "--export", exported)}
    churn = quality["churn_risk"]
    assert churn["users"] > 0 and churn["used_by"] == ["tag.retention_priority"]
    assert set(pl.read_parquet(exported / "tags.parquet")["tag_id"]) == {t for t, row in quality.items() if row["users"]}


def test_a_source_that_ends_at_the_as_of_gives_the_same_files(exported: Path, folder: Path):
    truncated = write_slice(folder / "truncated", AS_OF)
    fresh = Shell(folder / "truncated-home")
    fresh.run("snapshot", "--as-of", AS_OF, "--out", folder / "known-then", "--source", truncated)
    assert hashes(folder / "known-then") == hashes(exported)
    assert manifest(folder / "known-then")["model_versions"] == manifest(exported)["model_versions"]
    assert manifest(exported)["trained_through"] == {"behaviour": str(AS_OF)}


def test_the_manifest_describes_the_files(exported: Path):
    said = manifest(exported)
    assert said["as_of"] == str(AS_OF)
    assert said["sha256"] == hashes(exported) and {f"{name}.parquet" for name in FILES} <= said["sha256"].keys()
    for name in FILES:
        assert said["rows"][f"{name}.parquet"] == pl.read_parquet(exported / f"{name}.parquet").height > 0


def test_every_user_seen_has_a_portrait_and_a_vector(exported: Path, mapping: Path):
    seen = {
        user
        for table, time in (
            ("transactions", "transaction_timestamp"),
            ("coupon_redemptions", "redemption_date + interval 5 hour"),
        )
        for (user,) in ask(
            f"select distinct household_id::varchar from '{mapping.parent}/{table}.parquet' where {time} < $at", at=AS_OF
        )
    }
    seen |= {
        user
        for (user,) in ask(
            f"select distinct household_id::varchar from '{mapping.parent}/campaigns.parquet' "
            f"join '{mapping.parent}/campaign_descriptions.parquet' using (campaign_id) "
            "where start_date + interval 5 hour < $at",
            at=AS_OF,
        )
    }
    portraits = pl.read_parquet(exported / "portraits.parquet")
    assert portraits["user_id"].is_unique().all() and set(portraits["user_id"]) == seen
    assert set(portraits["as_of"]) == {AS_OF}
    assert portraits.columns == [name for name in load_pack().schema.snapshots.column_names if name != "event_date"]
    embeddings = pl.read_parquet(exported / "embeddings.parquet")
    assert embeddings["user_id"].is_unique().all() and set(embeddings["user_id"]) == seen
    assert embeddings["embedding"].list.len().n_unique() == 1
    assert embeddings["embedding"].explode().is_finite().all()
    assert embeddings["embedding"].n_unique() > len(seen) / 2


def test_spend_of_a_portrait_is_what_the_source_says(exported: Path, mapping: Path):
    paid = "sum(greatest(round((sales_value - coupon_disc) * 100), 0)::bigint)"
    told = dict(
        ask(
            f"select household_id::varchar, {paid} from '{mapping.parent}/transactions.parquet' "
            "where transaction_timestamp < $at group by all",
            at=AS_OF,
        )
    )
    portraits = pl.read_parquet(exported / "portraits.parquet")
    assert dict(portraits.filter(pl.col("purchases") > 0).select("user_id", "spend_cents").iter_rows()) == told


def test_recommendations_are_ranked_from_one_without_a_gap(exported: Path):
    top = pl.read_parquet(exported / "recommendations.parquet")
    lists = top.group_by("user_id").agg("rank", "item_id", "score", pl.col("reason").str.len_chars().min().alias("shortest"))
    for row in lists.iter_rows(named=True):
        assert row["rank"] == list(range(1, 21))
        assert len(set(row["item_id"])) == 20 and row["shortest"] > 0
        assert row["score"] == sorted(row["score"], reverse=True)
    assert lists.height == pl.read_parquet(exported / "portraits.parquet").height


def test_a_campaign_ranks_users_says_why_and_is_measured_at_those_of_the_past(ran: Shell, folder: Path):
    asked = ("--where", "category = 'CHEESE'", "--count", 5)
    said = json.loads(ran.run("campaign", *asked, "--out", folder / "targets.parquet", "--json").stdout)
    chances = [row["propensity"] for row in said["targets"]]
    assert len(chances) == 5 and chances == sorted(chances, reverse=True) and chances[-1] > 0 and chances[0] < 1
    assert all(row["reason"] and row["item_name"] for row in said["targets"]) and "no uplift" in said["caveat"]
    written = pl.read_parquet(folder / "targets.parquet")
    assert (
        written["user_id"].to_list() == [row["user_id"] for row in said["targets"]] and written["model_version"].n_unique() == 1
    )
    told = ran.run("models", "evaluate-campaigns", "--from", "2017-05-01", "--through", "2017-05-10", "--out", folder).stdout
    assert "| bought | propensity |" in told and (folder / "campaigns.md").read_text() in told
    unknown = ran.run("campaign", "--coupon", "5111103005", code=2)
    assert "--coupon '5111103005': there is no such coupon among 981; nearest is '51111030050'" in unknown.stderr


def test_predictions_are_probabilities_of_what_may_be_predicted(exported: Path):
    said = pl.read_parquet(exported / "predictions.parquet")
    assert said["probability"].is_between(0, 1).all() and not said["probability"].is_nan().any()
    assert said.select("user_id", "target").is_unique().all()
    kinds = set(said["target"].str.split("=").list.first())
    assert {"churn_14d", "category_14d", "item_14d"} <= kinds
    churn = said.filter(pl.col("target") == "churn_14d")
    portraits = pl.read_parquet(exported / "portraits.parquet").filter(pl.col("churn_14d").is_not_null())
    assert dict(churn.select("user_id", "probability").iter_rows()) == dict(
        portraits.select("user_id", "churn_14d").iter_rows()
    )


def test_one_users_exported_predictions_agree(exported: Path, ran: Shell):
    """No part is likelier than its whole, no silence likelier when longer, and chance, wait and amounts say the same."""
    said, portraits = (pl.read_parquet(exported / f"{name}.parquet") for name in ("predictions", "portraits"))
    with duckdb.connect(str(ran.home / "warehouse.duckdb"), read_only=True) as warehouse:
        rows = warehouse.execute("select item_id, category, department from clean.items").fetchall()
    items = pl.DataFrame(rows, schema=["item_id", "category", "department"], orient="row")
    assert portraits["churn"].drop_nulls().len() > 50 and portraits["churn_horizon_days"].drop_nulls().is_between(14, 28).all()
    assert disagreements(said, portraits, items) == []
    silent = json.loads((exported / "manifest.json").read_text())["not_predicted"]
    assert silent["churn_90d"].startswith("too little history") and not set(silent) & set(said["target"])


def test_tags_say_how_sure_they_are_and_why(exported: Path):
    tags = pl.read_parquet(exported / "tags.parquet")
    assert tags.select("user_id", "tag_id").is_unique().all()
    assert tags["confidence"].is_between(0, 1).all()
    assert set(tags["kind"]) <= {"fact", "rule", "statistical", "model"}
    assert tags["valid_from"].is_not_null().all() and (tags["valid_from"] < AS_OF).all()
    assert all(isinstance(json.loads(text), dict) for text in tags["evidence"].unique())
    changes = pl.read_parquet(exported / "changes.parquet")
    assert (changes["event_date"] < AS_OF).all()
    assert set(changes["cause"]) <= {"event", "clock", "calendar", "model"}


def test_the_question_of_the_readme_is_answered_by_plain_duckdb(ran: Shell, monkeypatch: pytest.MonkeyPatch):
    query = re.search(r"```sql\n(.*?)```", (PROJECT_DIR / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert query is not None
    (ran.home.parent / "var").unlink(missing_ok=True)
    (ran.home.parent / "var").symlink_to(ran.home, target_is_directory=True)
    monkeypatch.chdir(ran.home.parent)
    answer = duckdb.sql(query[1]).pl()
    portraits = pl.read_parquet(ran.home / "published" / "current" / "portraits.parquet")
    lapsing = portraits.filter((pl.col("lifecycle") == "lapsing") & (pl.col("value_tier") == "high"))
    assert set(answer["user_id"]) <= set(lapsing["user_id"]) and len(answer) == min(10, len(lapsing))


# --------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "nobody"), "nobody"),
        (("show", "1", "--as-of", "yesterday"), "yesterday"),
        (("snapshot", "--as-of", "2017-31-01", "--out", "x"), "2017-31-01"),
        (("snapshot", "--as-of", "2017-01-01", "--out", "x"), "2017-01-01"),
        (("snapshot", "--as-of", "2016-06-01", "--out", "x"), "2016"),
        (("snapshot", "--as-of", "2999-01-01", "--out", "x"), "2999"),
        (("show", "1", "--as-of", "2016-01-01"), "2016"),
        (("run", "--through", "soon"), "soon"),
        (("run", "--from", "2017-05-01", "--through", "2017-04-01"), "2017-05-01"),
        (("ingest", "missing.csv"), "missing.csv"),
        (("run", "--source", "complete_journey"), "already holds"),
        (("sources", "check", "missing.toml"), "missing.toml"),
        (("verify", "--from", "x"), "x"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(ran: Shell, arguments: tuple[str, ...], told: str):
    before = tables(ran)
    done = ran.run(*arguments, code=2)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and told in lines[0], done.stderr
    assert done.stdout == ""
    assert tables(ran) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "--source", "complete_journye"), "nearest is 'complete_journey'"),
        (("run", "--source", "missing.toml"), "missing.toml"),
        (("show", "1", "--source", "missing.toml"), "missing.toml"),
    ],
)
def test_an_unknown_source_leaves_no_home_behind(folder: Path, arguments: tuple[str, ...], told: str):
    nowhere = Shell(folder / "nowhere")
    lines = nowhere.run(*arguments, code=2).stderr.strip().splitlines()
    assert len(lines) == 1 and told in lines[0]
    assert not nowhere.home.exists()


def test_an_export_never_overwrites_other_files(ran: Shell, folder: Path):
    kept = folder / "kept"
    kept.mkdir()
    (kept / "thesis.txt").write_text("ten years of work")
    assert "other files" in ran.run("snapshot", "--as-of", AS_OF, "--out", kept, code=2).stderr
    assert [file.name for file in kept.iterdir()] == ["thesis.txt"]


# ------------------------------------------------------------------------------------------- later: it changes the home


def test_late_events_are_carried_through_exactly(ran: Shell, exported: Path, folder: Path):
    columns = pl.read_parquet_schema(folder / "source" / "transactions.parquet")
    old = pl.read_parquet(folder / "source" / "transactions.parquet").filter(pl.col("household_id") == 1).head(1)
    late = pl.concat(
        [
            old.with_columns(sales_value=pl.lit(9.99), coupon_disc=pl.lit(0.0)),  # a correction of a key that was told
            old.with_columns(
                household_id=pl.lit(999_999, pl.Int64), basket_id=pl.lit(7, pl.Int64)
            ),  # a new household, long ago
        ]
    ).select(list(columns))
    file = folder / "transactions_late.parquet"
    late.write_parquet(file)
    assert "Nothing new" not in ran.run("ingest", file).stdout
    assert "Nothing new" in ran.run("ingest", file).stdout
    ran.run("refresh")
    assert "No differences" in ran.run("verify").stdout
    assert all(not line["stale_days"] for line in ran.json("status")["tables"])
    ran.run("snapshot", "--as-of", AS_OF, "--out", folder / "with-late")
    before, after = (pl.read_parquet(export / "portraits.parquet") for export in (exported, folder / "with-late"))
    assert set(after["user_id"]) - set(before["user_id"]) == {"999999"}
    assert hashes(folder / "with-late") != hashes(exported)


def test_a_model_is_listed_has_a_card_and_is_rolled_back_in_one_command(ran: Shell, folder: Path):
    shutil.copytree(ran.home, folder / "rolled", symlinks=True)
    shell = Shell(folder / "rolled")
    champion = shell.json("models", "list")[-1]
    assert champion["status"] == "champion" and champion["last_day"] == str(END)
    card = shell.run("models", "card").stdout
    assert card.startswith(f"# Behaviour model {champion['version']}\n") and "## Limits" in card
    done = shell.json("models", "rollback", champion["version"][:6])
    assert done["version"] == champion["version"] and done["stale"] > 0
    with duckdb.connect(str(shell.home / "warehouse.duckdb"), read_only=True) as warehouse:
        told = warehouse.execute("select status from models.registry where version = $1", [champion["version"]]).fetchall()
    assert told == [("rolled back",)]
