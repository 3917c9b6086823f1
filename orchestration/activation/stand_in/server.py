"""The server: it hands each call to the API that its path begins with, and plays faults."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Protocol
from urllib.parse import parse_qs, urlsplit

# What may befall a request that writes; `accepted_then_lost` and `twice` are carried out first.
Fault = Literal["throttled", "error", "lost", "accepted_then_lost", "twice", "denied"]


@dataclass(frozen=True)
class Call:
    """One request, its path below that of the API."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What is answered: JSON, or text as it is."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Api(Protocol):
    """One service. `poison` are identifiers whose rows it never takes."""

    poison: set[str]

    def handle(self, call: Call) -> Reply:
        """Carry out a call as the service documents it."""

    def writes(self, call: Call) -> bool:
        """Whether a fault may befall the call."""

    def fault(self, kind: Fault) -> Reply:
        """How the service words `throttled`, `error` and `denied`."""

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """The members of each audience, by its id there: their identifiers as they were sent."""


@dataclass
class StandIn:
    """A running server. `faults` befall the next calls that write, one each; None is no fault."""

    apis: Mapping[str, Api]
    url: str
    faults: list[Fault | None] = field(default_factory=list)
    seconds: float = 0.0
    calls: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def stand_in(apis: Mapping[str, Api], port: int = 0) -> Iterator[StandIn]:
    """Serve APIs, each below /<its name>, until the context ends; port 0 takes a free one.

    `seconds` of what it yields is the time that the APIs spent, which is not the engine's.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler)
    server.daemon_threads = True
    running = StandIn(apis, f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = _handler(running)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def _handler(running: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one piece: in two, the kernel holds the second back for 40 ms.
        wbufsize = -1

        def _answer(self) -> None:
            split = urlsplit(self.path)
            name, _, path = split.path.removeprefix("/").partition("/")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(
                self.command, f"/{path}", parse_qs(split.query), dict(self.headers.items()), body
            )
            api = running.apis.get(name)
            reply = (
                Reply(404, {"error": "no such API"}) if api is None else play(running, api, call)
            )
            if reply is None:
                self.close_connection = True
                return
            text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            content = b"" if reply.body is None else text.encode()
            self.send_response(reply.status)
            for header, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a path may hold a token."""

    return Handler


def play(running: StandIn, api: Api, call: Call) -> Reply | None:
    """Carry out one call with the fault that is due; None loses the connection."""
    with running.lock:
        began = time.perf_counter()
        try:
            fault = running.faults.pop(0) if running.faults and api.writes(call) else None
            running.calls.append(f"{call.method} {call.path}")
            if fault in ("throttled", "error", "denied"):
                return api.fault(fault)
            if fault == "lost":
                return None
            reply = api.handle(call)
            if fault == "twice":
                reply = api.handle(call)
            return None if fault == "accepted_then_lost" else reply
        finally:
            running.seconds += time.perf_counter() - began
