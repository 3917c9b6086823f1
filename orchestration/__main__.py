"""The command line: what `make` calls. Run `make help` to see the commands in words."""

import argparse
import errno
import importlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import yaml

from orchestration.paths import PROJECT, Paths
from orchestration.warehouse.lock import LockHeld, explain_open_error

DEMO_UNTIL = date(2026, 6, 30)


class UsageError(Exception):
    """A command that cannot be carried out as it was given."""


def main() -> int:
    """Carry out one command; a known failure is one line on standard error and exit code 1."""
    arguments = _parser().parse_args()
    paths = Paths.from_environment()
    try:
        arguments.command(arguments, paths)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not _is_known(error) and not _is_out_of_space(paths):
            raise
        sys.stderr.write(f"{_in_words(error, paths)}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestration")
    commands = parser.add_subparsers(required=True)
    demo = commands.add_parser("demo", help="make the demo group, load, build, publish")
    demo.add_argument("--persons", type=int, default=20_000)
    demo.add_argument("--seed", type=int, default=1)
    demo.set_defaults(command=_demo)
    build = commands.add_parser("build", help="load what is new, check, build, publish")
    build.add_argument("--as-of", type=_day, default=None)
    build.add_argument("--wait", type=float, default=600, help="seconds to wait for the lock")
    build.add_argument("--accept", action="store_true", help="let in what failed its checks")
    build.add_argument("--force", action="store_true", help="build although nothing is new")
    build.set_defaults(command=_build)
    recipe = commands.add_parser("recipe", help="write a real data set into the landing folder")
    recipe.add_argument("name")
    recipe.add_argument("files", type=Path)
    recipe.set_defaults(command=_recipe)
    rules = commands.add_parser("rules", help="check the rules of segments, without a build")
    rules.add_argument("--file", type=Path, default=None, help="instead of the seed")
    rules.add_argument("--as-of", type=_day, default=None)
    rules.set_defaults(command=_rules)
    query = commands.add_parser("query", help="query what was published")
    query.add_argument("sql")
    query.add_argument("--as-of", type=_day, default=None)
    query.set_defaults(command=_query)
    explain = commands.add_parser("explain", help="why records are one customer, or two")
    explain.add_argument("names", nargs="+", metavar="customer or record")
    explain.set_defaults(command=_explain)
    card = commands.add_parser("card", help="the contact card of one customer")
    card.add_argument("customer", help="any id that the customer ever had")
    card.set_defaults(command=_card)
    segment = commands.add_parser("explain-segment", help="why a customer is in a segment or not")
    segment.add_argument("customer", help="any id that the customer ever had")
    segment.add_argument("segment")
    segment.set_defaults(command=_explain_segment)
    train = commands.add_parser("train", help="learn the linkage model anew from the last build")
    train.set_defaults(command=_train)
    predict = commands.add_parser("predict", help="score every buyer by the last build")
    predict.add_argument("--train", action="store_true", help="train a new model before")
    predict.set_defaults(command=_predict)
    sync = commands.add_parser("sync", help="make destinations hold what the segments say")
    sync.add_argument("names", nargs="*", help="of the files in syncs/; all when there is none")
    sync.add_argument("--how", choices=("dry_run", "validate", "live"), default=None)
    sync.add_argument("--accept", action="store_true", help="send what a breaker would keep")
    sync.set_defaults(command=_sync)
    erase = commands.add_parser("erase", help="forget people everywhere, and prove it")
    erase.add_argument(
        "who",
        nargs="?",
        default="",
        help="e-mail, phone, customer or record, several with commas; all who asked when empty",
    )
    erase.set_defaults(command=_erase)
    mautic = commands.add_parser("import-mautic", help="land what Mautic knows of its contacts")
    mautic.add_argument("brand", help="the brand that writes to them, a key of seeds/brands.csv")
    mautic.add_argument("--system", default="mautic", help="folder below the landing folder")
    mautic.set_defaults(command=_import_mautic)
    backtest = commands.add_parser("backtest", help="judge the models on real data sets")
    backtest.add_argument("files", type=Path)
    backtest.set_defaults(command=_backtest)
    ui = commands.add_parser("ui", help="open Dagster's UI")
    ui.add_argument("--port", type=int, default=3000)
    ui.set_defaults(command=_ui)
    bench = commands.add_parser("bench", help="run a benchmark")
    bench.add_argument("name")
    bench.add_argument("--size", type=int, help="how much of it: persons, ties, customers")
    bench.set_defaults(command=_bench)
    contract = commands.add_parser("contract", help="write docs/data_contract.md anew")
    contract.set_defaults(command=_contract)
    ready = commands.add_parser("ready-segments", help="write docs/ready_segments.md anew")
    ready.set_defaults(command=_ready_segments)
    clean = commands.add_parser("clean", help="remove all that was made")
    clean.set_defaults(command=_clean)
    return parser


def _demo(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.demo.exports import show_exports
    from orchestration.demo.generator import make_demo

    tell = _progress()
    made = paths.truth / "planted.json"
    if made.exists():
        tell(f"the demo group is there already ({made}); make clean removes it")
    else:
        tell(f"== make the demo group: {arguments.persons:,} persons")
        make_demo(paths, arguments.persons, arguments.seed, DEMO_UNTIL, tell)
    _build_and_tell(paths, DEMO_UNTIL, tell)
    tell("== send audiences to stand-ins of Meta, Google and Mautic")
    sys.stdout.write(f"\n{show_exports(paths, tell)}\n")


def _build(arguments: argparse.Namespace, paths: Paths) -> None:
    as_of = arguments.as_of or datetime.now(UTC).date()
    _build_and_tell(paths, as_of, _progress(), arguments.wait, arguments.accept, arguments.force)


def _build_and_tell(
    paths: Paths,
    as_of: date,
    tell: Callable[[str], None],
    wait_seconds: float = 600,
    accept: bool = False,
    force: bool = False,
) -> None:
    from orchestration.reports.summary import summary
    from orchestration.warehouse.workspace import is_up_to_date

    seconds: dict[str, float] = {}
    began = time.perf_counter()
    serving, replayed = paths.serving, ""
    again = f"AS_OF={as_of.isoformat()}"
    if not force and is_up_to_date(paths, as_of):
        tell("nothing is new since the last build: readers have it (FORCE=yes builds anyway)")
    else:
        from orchestration.launch import run_build

        run = run_build(paths, as_of, tell, wait_seconds, accept)
        serving, seconds = run.workspace.serving, run.seconds
        replayed = f" {again}" if run.workspace.is_replay else ""
    seconds["all, start included"] = time.perf_counter() - began
    sys.stdout.write(
        f"\n{summary(serving, seconds, _reporting_currency())}\n\n"
        f'Query it    make query{replayed} SQL="select * from segments.new_buyer limit 5"\n'
        f"            or open {serving} read-only with any DuckDB client\n"
        "See it      make ui\n"
        f"Build again make build {again}\n"
    )


def _recipe(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.ingest.recipe import run_recipe

    run_recipe(arguments.name, arguments.files, paths, _progress())
    sys.stdout.write("Now load and build it: make build AS_OF=<last day of the data>\n")


def _rules(arguments: argparse.Namespace, _paths: Paths) -> None:
    from orchestration.segments.check import RULES, check_rules

    as_of = arguments.as_of or datetime.now(UTC).date()
    rules = check_rules(arguments.file or RULES, as_of)
    for rule in rules:
        told = rule["reason"] or f"line {rule['row_number']}"
        sys.stdout.write(f"{rule['status'].replace('_', ' '):<9} {rule['segment_id']}: {told}\n")
    refused = sum(rule["status"] == "refused" for rule in rules)
    if refused:
        raise UsageError(f"{refused} of {len(rules)} rules are refused; the others stand")


def _query(arguments: argparse.Namespace, paths: Paths) -> None:
    serving = paths.serving
    if arguments.as_of:
        serving = paths.replays / arguments.as_of.isoformat() / "serving.duckdb"
    if not serving.exists():
        raise UsageError(f"{serving} is not there: build it first (make demo or make build)")
    with duckdb.connect(str(serving), read_only=True) as published:
        result = published.sql(arguments.sql)
        if result is not None:
            result.show(max_rows=100, max_width=shutil.get_terminal_size((160, 24)).columns)


def _explain(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.reports.explain import UnknownNameError, explain

    if len(arguments.names) > 2:
        raise UsageError("name one customer or record, or two records")
    if not paths.warehouse.exists():
        raise UsageError(
            f"{paths.warehouse} is not there: build it first (make demo or make build)"
        )
    try:
        sys.stdout.write(explain(paths.warehouse, arguments.names) + "\n")
    except UnknownNameError as error:
        raise UsageError(str(error)) from None


def _card(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.reports.card import UnknownCustomerError, card

    if not paths.serving.exists():
        raise UsageError(f"{paths.serving} is not there: build it first (make demo or make build)")
    try:
        sys.stdout.write(card(paths.serving, arguments.customer) + "\n")
    except UnknownCustomerError as error:
        raise UsageError(str(error)) from None


def _explain_segment(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.reports.card import UnknownCustomerError
    from orchestration.reports.explain_segment import UnknownSegmentError, explain_segment

    if not paths.serving.exists():
        raise UsageError(f"{paths.serving} is not there: build it first (make demo or make build)")
    try:
        told = explain_segment(paths.serving, arguments.customer, arguments.segment)
    except (UnknownCustomerError, UnknownSegmentError) as error:
        raise UsageError(str(error)) from None
    sys.stdout.write(f"{told}\n")


def _train(_arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.launch import train_linkage

    if not paths.warehouse.exists():
        raise UsageError(
            f"{paths.warehouse} is not there: build it first (make demo or make build)"
        )
    told = train_linkage(paths, _progress())
    for name in ("version", "customers", "merge_weight", "cluster_precision", "cluster_recall"):
        sys.stdout.write(f"{name.replace('_', ' '):<20}{told[name].value}\n")
    sys.stdout.write(
        f"Charts: {paths.reports / 'linkage'}\n"
        f"{paths.linkage_model} is what builds link by; remove it to link by the project's own\n"
    )


def _predict(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.launch import predict

    if not paths.warehouse.exists():
        raise UsageError(
            f"{paths.warehouse} is not there: build it first (make demo or make build)"
        )
    predict(paths, _progress(), arguments.train)
    sys.stdout.write(
        f"Charts: {paths.reports / 'predictions'}\n"
        "The next build shows it; of the same day: "
        f"make build AS_OF={_newest_day(paths).isoformat()}\n"
    )


def _sync(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.activation.runs import Asked, how_of_environment, report_table, run_syncs

    asked = Asked(arguments.names, arguments.how or how_of_environment(), arguments.accept)
    reports = run_syncs(paths, asked, _progress())
    sys.stdout.write(f"\n{report_table(reports)}\n")
    if asked.how == "dry_run":
        sys.stdout.write(f"What would be sent: {paths.exports / 'payloads'}\n")
    failed = [report.sync_id for report in reports if report.status != "succeeded"]
    if failed:
        raise UsageError(f"look at {', '.join(failed)}: docs/exports.md says what to do")


def _erase(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.erasure.erase import Eraser

    who = [each.strip() for each in arguments.who.split(",") if each.strip()]
    told = Eraser(paths, _progress()).erase(who)
    for each in told:
        sys.stdout.write(f"{each.place}: {each.line}\n")
    if not told:
        sys.stdout.write("Nobody asks to be forgotten\n")
    if any(each.is_open for each in told):
        raise UsageError("not everybody could be forgotten: docs/privacy.md says what to do")


def _import_mautic(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.activation.destination import connection_of
    from orchestration.activation.destinations.mautic import DECLARED, MauticOptions, open_api
    from orchestration.activation.mautic_import import import_contacts

    client = open_api(MauticOptions(), connection_of("mautic", DECLARED, os.environ, True))
    now = datetime.now(UTC).replace(tzinfo=None)
    landed = import_contacts(client, paths.landing, arguments.system, arguments.brand, now)
    for entity, rows in landed.items():
        sys.stdout.write(f"{entity:<16}{rows:,} new rows\n")
    sys.stdout.write("The next build loads them: make build\n")


def _newest_day(paths: Paths) -> date:
    """The day of the last build."""
    with duckdb.connect(str(paths.warehouse), read_only=True) as warehouse:
        [(day,)] = warehouse.execute("select max(as_of) from meta.builds").fetchall()
    return date.fromisoformat(str(day))


def _backtest(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.predictions.real_data import judge_real_data

    figures = judge_real_data(arguments.files, paths, _progress())
    if not figures:
        raise UsageError(f"{arguments.files} holds no folder of a data set that is known")
    for name, value in figures.items():
        sys.stdout.write(f"{name}: {value}\n")


def _ui(arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.launch import dagster_home

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", arguments.port)) == 0:
            raise UsageError(
                f"port {arguments.port} is busy: choose another, "
                f"like make ui PORT={arguments.port + 1}"
            )
    home = dagster_home(paths)
    sys.stdout.write(f"Dagster's UI: http://127.0.0.1:{arguments.port} (records in {home})\n")
    sys.stdout.flush()
    # As a module, Dagster finds the event log of the project that dagster.yaml names.
    dagster = (sys.executable, "-m", "dagster", "dev")
    module = ("-m", "orchestration.definitions", "-d", str(PROJECT))
    where = ("-h", "127.0.0.1", "-p", str(arguments.port))
    os.execv(sys.executable, [*dagster, *module, *where])


def _bench(arguments: argparse.Namespace, _paths: Paths) -> None:
    names = sorted(
        file.stem
        for file in (PROJECT / "orchestration" / "benchmarks").glob("*.py")
        if file.stem != "__init__"
    )
    if arguments.name not in names:
        raise UsageError(f"no benchmark {arguments.name!r}: there are {', '.join(names)}")
    module = importlib.import_module(f"orchestration.benchmarks.{arguments.name}")
    for name, value in module.run(arguments.size, _progress()).items():
        sys.stdout.write(f"{name}: {value}\n")


def _contract(_arguments: argparse.Namespace, _paths: Paths) -> None:
    from orchestration.contract import load_contract
    from orchestration.reports.contract_page import contract_page

    (PROJECT / "docs" / "data_contract.md").write_text(contract_page(load_contract()))


def _ready_segments(_arguments: argparse.Namespace, paths: Paths) -> None:
    from orchestration.reports.ready_segments_page import ready_segments_page
    from orchestration.warehouse.dbt import manifest_json, parse

    nodes = manifest_json(parse(paths))["nodes"].values()
    (PROJECT / "docs" / "ready_segments.md").write_text(ready_segments_page(nodes))


def _clean(_arguments: argparse.Namespace, paths: Paths) -> None:
    if paths.data == PROJECT or not paths.data.exists():
        return
    for name in _MADE:
        made = paths.data / name
        if made.is_dir() and not made.is_symlink():
            _make_writable(made)
            shutil.rmtree(made)
        else:
            made.unlink(missing_ok=True)
    for file in paths.data.glob("warehouse.duckdb*"):
        file.unlink()


_MADE = (
    "landing",
    "raw",
    "quarantine",
    "serving",
    "serving.duckdb",
    "replays",
    "registry",
    "linkage",
    "predictions",
    "backtest",
    "exports",
    "erasure",
    "truth",
    "reports",
    "logs",
    "dbt",
    "dagster",
    "bench",
    ".build.lock",
)


def _make_writable(folder: Path) -> None:
    for file in folder.rglob("*"):
        if not file.is_symlink():
            file.chmod(0o755 if file.is_dir() else 0o644)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2026-06-30") from None


def _reporting_currency() -> str:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    return str(project["vars"]["reporting_currency"])


def _progress() -> Callable[[str], None]:
    began = time.perf_counter()

    def tell(line: str) -> None:
        sys.stdout.write(f"{time.perf_counter() - began:7.1f} s  {line}\n")
        sys.stdout.flush()

    return tell


def _is_out_of_space(paths: Paths) -> bool:
    return paths.data.exists() and shutil.disk_usage(paths.data).free < 10_000_000


def _is_known(error: Exception) -> bool:
    """True for failures that a user can mend: their message is enough, a trace is noise."""
    name = type(error).__name__
    return isinstance(error, UsageError | LockHeld | duckdb.Error | OSError) or name in (
        "BuildError",
        "DbtError",
        "RecipeError",
        "PublishError",
        "ContractError",
        "LoadError",
        "LinkageError",
        "TrainingError",
        "RulesFileError",
        "ErasureError",
        "ScrubError",
        "PepperError",
        "SyncError",
        "DeniedError",
        "RefusedError",
        "ThrottledError",
        "UnavailableError",
    )


def _in_words(error: Exception, paths: Paths) -> str:
    if _is_out_of_space(paths):
        # Whatever failed, a write of Dagster's own records perhaps, failed for want of space.
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if isinstance(error, duckdb.IOException | OSError):
        return explain_open_error(error, paths.warehouse)
    return str(error).strip()


if __name__ == "__main__":
    sys.exit(main())
