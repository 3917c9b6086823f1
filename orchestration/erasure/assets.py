"""The Dagster asset that forgets whoever has asked a source system for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.paths import Paths
from orchestration.run import FRESHNESS

if TYPE_CHECKING:
    from orchestration.erasure.erase import Told

_ERASURES = dg.AssetKey("erasures")
_REQUESTS = dg.AssetKey(["entities", "erasure_requests"])


def build_erasure_asset() -> dg.AssetsDefinition:
    """All open requests, worked off. Nothing is built when there are none."""

    @dg.asset(
        key=_ERASURES,
        deps=[_REQUESTS],
        check_specs=[
            dg.AssetCheckSpec(
                "everybody_is_forgotten",
                asset=_ERASURES,
                description="No request is left that a person has to read: one that names several "
                "customers, or shares what it names with others (docs/privacy.md).",
            )
        ],
        group_name="privacy",
        freshness_policy=FRESHNESS,
        owners=["team:data-engineering"],
        description="People who asked a source system to be forgotten, taken out of every file and "
        "destination. The proofs are in data/erasure.",
    )
    def erasures(context: dg.AssetExecutionContext) -> Any:
        # An erasure runs the job `build`, and so needs the definitions that this asset is one of.
        from orchestration.erasure.erase import Eraser

        told = Eraser(Paths.from_environment(), context.log.info).erase(())
        yield dg.MaterializeResult(metadata=_metadata(told), check_results=[_check(told)])

    return erasures


def _metadata(told: Sequence["Told"]) -> dict[str, Any]:
    lines = [f"- {each.place}: {each.line}" for each in told]
    return {
        "answered": sum(not each.is_open for each in told),
        "open": sum(each.is_open for each in told),
        "requests": dg.MetadataValue.md("\n".join(lines) or "Nobody asks to be forgotten"),
    }


def _check(told: Sequence["Told"]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not any(each.is_open for each in told),
        severity=dg.AssetCheckSeverity.WARN,
        asset_key=_ERASURES,
        check_name="everybody_is_forgotten",
    )
