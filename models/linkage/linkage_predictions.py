"""Grain: one row per pair of golden records that the linkage model scores for review or more."""


def model(dbt, connection):
    """What Splink makes of the golden records; without any it is not even imported."""
    import pyarrow

    from orchestration.linkage.predictions import SCHEMA

    golden_records = dbt.ref("linkage_golden_records")
    if not golden_records.limit(1).fetchall():
        return pyarrow.Table.from_pylist([], schema=SCHEMA)

    from orchestration.linkage.model import model_in_use
    from orchestration.linkage.scoring import score
    from orchestration.paths import Paths

    return score(golden_records, connection, model_in_use(Paths.from_environment()))
