"""What has to change at a destination, and how much of it may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from orchestration.activation.audience import sent_column
from orchestration.activation.destination import Declared
from orchestration.activation.syncs import Sync

# The person refused, or is no more: such a member is removed whatever else holds.
MANDATORY = ("erasure", "consent", "suppression", "gone", "no_identifier")
# A member is sent again so long before the destination would forget it.
_REFRESH = timedelta(days=30)
# What a destination has not worked off after so long is sent again.
OVERDUE = timedelta(days=2)

# Grain: one row per request row. Removals stand before adds: whoever changed identifiers is removed
# by the old ones first. A removal leaves out identifiers of another member who is there and stays;
# one who has yet to enter does not count: if that failed, nobody would remove them any more.
_OPERATIONS = """
create or replace temp table operations as
with known as (
    select *, receipt is not null and requested_at > $overdue_before as is_in_flight
    from exports.members
    where sync_id = $sync_id
),
waiting as (
    select customer_id, action, content_hash
    from exports.dead_letters
    where sync_id = $sync_id and next_try_at > $now
),
judged as (
    select
        candidates.customer_id,
        candidates.is_member and candidates.refused_by is null as is_desired,
        case
            when not is_desired then coalesce(candidates.refused_by, 'left')
            when known.customer_id is null then 'entered'
            when known.status <> 'held' then 'unknown'
            when known.content_hash <> candidates.content_hash then 'updated'
            when known.expires_at <= $refresh_before then 'expiring'
        end as cause
    from candidates
    left join known on candidates.customer_id = known.customer_id
    where
        cause is not null
        and known.is_in_flight is distinct from true
        and (known.customer_id is not null or is_desired)
),
changing as (
    select
        judged.customer_id,
        judged.is_desired,
        candidates.identifiers,
        candidates.content_hash,
        known.identifiers as known_identifiers,
        known.content_hash as known_hash,
        known.identifiers is distinct from candidates.identifiers as has_other_identifiers,
        case
            when judged.is_desired and known.identifiers <> candidates.identifiers then 'changed'
            else judged.cause
        end as cause
    from judged
    inner join candidates on judged.customer_id = candidates.customer_id
    left join known on judged.customer_id = known.customer_id
),
leaving as (
    select customer_id, known_identifiers as identifiers, known_hash as content_hash, cause
    from changing
    where known_identifiers is not null and (not is_desired or has_other_identifiers)
),
leaving_values as (
    select
        customer_id,
        unnest(identifiers) as value,
        generate_subscripts(identifiers, 1) as place
    from leaving
),
known_values as (
    select
        customer_id,
        identifiers,
        unnest(identifiers) as value,
        generate_subscripts(identifiers, 1) as place
    from known
),
sharing as (
    select
        leaving_values.customer_id,
        leaving_values.place,
        known_values.customer_id as other_customer_id,
        known_values.identifiers as other_identifiers
    from known_values
    inner join leaving_values
        on known_values.value = leaving_values.value and known_values.place = leaving_values.place
    where leaving_values.value <> '' and known_values.customer_id <> leaving_values.customer_id
),
used_by_others as (
    select sharing.customer_id, sharing.place
    from sharing
    inner join candidates
        on
            sharing.other_customer_id = candidates.customer_id
            and sharing.other_identifiers = candidates.identifiers
    where candidates.is_member and candidates.refused_by is null
    group by sharing.customer_id, sharing.place
),
removable as (
    select
        leaving_values.customer_id,
        list(
            case when used_by_others.place is null then leaving_values.value else '' end
            order by leaving_values.place
        ) as identifiers
    from leaving_values
    left join used_by_others using (customer_id, place)
    group by leaving_values.customer_id
),
removals as (
    select
        'remove' as action,
        leaving.cause,
        leaving.customer_id,
        removable.identifiers,
        leaving.content_hash,
        true as was_known
    from leaving
    inner join removable using (customer_id)
    where not exists (
        from waiting
        where waiting.action = 'remove' and waiting.customer_id = leaving.customer_id
    )
),
adds as (
    select
        'add' as action,
        cause,
        customer_id,
        identifiers,
        content_hash,
        not has_other_identifiers as was_known
    from changing
    where
        is_desired
        and not exists (
            from waiting
            where
                waiting.action = 'add'
                and waiting.customer_id = changing.customer_id
                and waiting.content_hash = changing.content_hash
        )
)
select
    *,
    row_number() over (order by action desc, customer_id) as place
from (from removals union all from adds)
"""


@dataclass(frozen=True)
class Plan:
    """What a run will do, counted. `held_back` are rows that a breaker keeps, `reason` says why;
    `in_flight` are members whose last request is still worked off.
    """

    segment_members: int
    desired: int
    refused: dict[str, int]
    adds: int
    removals: int
    held_back: int
    in_flight: int
    reason: str | None


def make_plan(
    store: duckdb.DuckDBPyConnection,
    sync: Sync,
    declared: Declared,
    now: datetime,
    accept: bool,
    only_removals: bool = False,
) -> Plan:
    """Make the temporary table `operations` from `candidates` and what the destination holds.

    `accept` lets through what a breaker would keep: a person has looked. So has one who wrote that
    the audience is to be emptied.
    """
    if sync.mode == "empty":
        store.execute("update candidates set is_member = false")
    store.execute(
        _OPERATIONS,
        {
            "sync_id": sync.sync_id,
            "now": now,
            "refresh_before": now + _REFRESH,
            "overdue_before": now - OVERDUE,
        },
    )
    _drop_settled_letters(store, sync)
    if only_removals:
        store.execute("delete from operations where action = 'add'")
    if sync.mode == "add_only":
        _keep_removals(store, (*MANDATORY, "changed"))
    members, desired = _row(
        store,
        "select count(*) filter (is_member), "
        "count(*) filter (is_member and refused_by is null) from candidates",
    )
    refused = dict(
        store.execute(
            "select refused_by, count(*) from candidates "
            "where is_member and refused_by is not null group by refused_by order by refused_by"
        ).fetchall()
    )
    before = _row(store, "select count(*) from operations")[0]
    reasons = [] if accept or sync.mode == "empty" else _break(store, sync, declared, desired)
    [in_flight] = _row(
        store,
        "select count(*) from exports.members where sync_id = $sync_id "
        "and receipt is not null and requested_at > $overdue_before",
        {"sync_id": sync.sync_id, "overdue_before": now - OVERDUE},
    )
    after, adds = _row(store, "select count(*), count(*) filter (action = 'add') from operations")
    return Plan(
        members,
        desired,
        refused,
        adds,
        after - adds,
        before - after,
        in_flight,
        "; ".join(reasons) or None,
    )


def _drop_settled_letters(store: duckdb.DuckDBPyConnection, sync: Sync) -> None:
    """A row that nobody wants to send any more has failed for the last time."""
    store.execute(
        "delete from exports.dead_letters where sync_id = $sync_id and case action "
        "when 'add' then customer_id not in "
        "(select customer_id from candidates where is_member and refused_by is null) "
        "else customer_id not in "
        "(select customer_id from exports.members where sync_id = $sync_id) end",
        {"sync_id": sync.sync_id},
    )


def _break(
    store: duckdb.DuckDBPyConnection, sync: Sync, declared: Declared, desired: int
) -> list[str]:
    """Take out of the plan what changes an audience more than a person has allowed, and say so."""
    limits = sync.limits
    [held] = _row(
        store,
        "select count(*) from exports.members where sync_id = $sync_id and status = 'held'",
        {"sync_id": sync.sync_id},
    )
    mandatory = {"mandatory": [*MANDATORY, "changed"]}
    entering, leaving = _row(
        store,
        "select count(*) filter (cause = 'entered'), count(*) filter "
        "(action = 'remove' and not list_contains($mandatory, cause)) from operations",
        mandatory,
    )
    reasons = []
    if desired < declared.minimum:
        reasons.append(f"{desired:,} members are fewer than the {declared.minimum:,} of use there")
    elif held and entering > max(limits.members, limits.growth * held):
        reasons.append(f"{entering:,} members would enter, {held:,} are there")
    if reasons:
        store.execute("delete from operations where cause = 'entered'")
    if leaving > max(limits.members, limits.removals * held):
        reasons.append(f"{leaving:,} of {held:,} members would leave")
        _keep_removals(store, (*MANDATORY, "changed"))
    return reasons


def _keep_removals(store: duckdb.DuckDBPyConnection, causes: Sequence[str]) -> None:
    store.execute(
        "delete from operations where action = 'remove' and not list_contains($causes, cause)",
        {"causes": list(causes)},
    )


def add_fields(store: duckdb.DuckDBPyConnection, fields: Sequence[str]) -> None:
    """Give the operations what is sent of each member; `candidates` is needed no more."""
    columns = "".join(f", member_fields.{sent_column(field)}" for field in fields)
    store.execute(
        "create or replace temp table operations as "
        f"select operations.*, candidates.consented_at{columns} from operations "
        "inner join candidates using (customer_id) "
        "inner join member_fields using (customer_id) where operations.action = 'add' "
        "union all by name select * from operations where action = 'remove' order by place"
    )
    store.execute("drop table candidates")


def _row(
    store: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object] | None = None
) -> tuple[int, ...]:
    [row] = store.execute(sql, dict(parameters or {})).fetchall()
    return tuple(int(value) for value in row)
