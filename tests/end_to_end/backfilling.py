"""A backfill in a process of its own: `python -m tests.end_to_end.backfilling DAY DAY …`, on the home of the environment.

As one asks for it in the Dagster UI: each day a run of the job `refresh` that writes the day whole, whether it is due or not.
"""

import json
import sys

from portrait_assets import operations
from portrait_assets.definitions import build_definitions
from portrait_assets.home import open_home


def main(days: list[str]) -> None:
    """One JSON line a run: its day, and what failed."""
    home = open_home()
    job = build_definitions(home).resolve_job_def("refresh")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with operations.dagster_instance(home.settings) as instance:
        for day in days:
            tags = {"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": day}
            result = job.execute_in_process(instance=instance, run_config=quiet, tags=tags, raise_on_error=False)
            failed = [f"{e.step_key}: {e.event_specific_data.error}" for e in result.all_events if e.is_step_failure]
            sys.stdout.write(json.dumps({"day": day, "success": result.success, "failed": failed}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
