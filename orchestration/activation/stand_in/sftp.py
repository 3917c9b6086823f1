"""Stands in for an SFTP server: a folder on this machine, served on loopback."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import paramiko

USER, PASSWORD = "stand-in-user", "stand-in-token"

# What may befall the replacement of a file; `accepted_then_lost` is carried out first.
SftpFault = Literal["lost", "accepted_then_lost", "error", "denied", "unsupported"]


@dataclass
class SftpStandIn:
    """A running server. `faults` befall the next replacements, one each; None is no fault."""

    folder: Path
    host_key: paramiko.PKey
    user_key: paramiko.PKey
    port: int = 0
    faults: list[SftpFault | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"sftp://127.0.0.1:{self.port}"

    @property
    def known_as(self) -> str:
        """Its key, as a line of known_hosts has it."""
        return f"{self.host_key.get_name()} {self.host_key.get_base64()}"


@contextmanager
def sftp_stand_in(folder: Path) -> Iterator[SftpStandIn]:
    """Serve a folder to whoever has the password or the key, until the context ends."""
    running = SftpStandIn(folder, paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running.port = listening.getsockname()[1]
        transports: list[paramiko.Transport] = []
        thread = threading.Thread(target=_accept, args=(listening, running, transports))
        thread.start()
        try:
            yield running
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
            for transport in transports:
                transport.close()


def _accept(
    listening: socket.socket, running: SftpStandIn, transports: list[paramiko.Transport]
) -> None:
    while True:
        try:
            connected, _ = listening.accept()
        except OSError:
            return
        transport = paramiko.Transport(connected)
        transport.add_server_key(running.host_key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, running, transport)
        transports.append(transport)
        try:
            transport.start_server(server=_Login(running), event=threading.Event())
        except (paramiko.SSHException, EOFError):
            transport.close()


class _Login(paramiko.ServerInterface):  # type: ignore[misc]
    def __init__(self, running: SftpStandIn) -> None:
        self._running = running

    def check_auth_password(self, username: str, password: str) -> int:
        """One user with one password."""
        return _let_in((username, password) == (USER, PASSWORD))

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """One user with one key."""
        return _let_in(username == USER and key == self._running.user_key)

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        """Both ways."""
        return "password,publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        """Sessions alone."""
        refused = paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return int(paramiko.OPEN_SUCCEEDED if kind == "session" else refused)


def _let_in(is_known: bool) -> int:
    return int(paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED)


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    def __init__(
        self, _login: Any, running: SftpStandIn, transport: paramiko.Transport, **_: Any
    ) -> None:
        self._running = running
        self._transport = transport

    def stat(self, path: str) -> Any:
        """Size and kind of a file or folder."""
        return _tried(lambda: paramiko.SFTPAttributes.from_stat(self._at(path).stat()))

    def open(self, path: str, flags: int, attr: Any) -> Any:  # noqa: ARG002
        """A file to read or write."""

        def opened() -> paramiko.SFTPHandle:
            mode = "rb" if flags & (os.O_WRONLY | os.O_RDWR) == 0 else "wb"
            handle = paramiko.SFTPHandle(flags)
            handle.readfile = handle.writefile = self._at(path).open(mode)
            return handle

        return _tried(opened)

    def remove(self, path: str) -> Any:
        """Remove a file."""
        return _tried(self._at(path).unlink)

    def posix_rename(self, oldpath: str, newpath: str) -> Any:
        """Replace a file, unless something befalls it."""
        fault = self._running.faults.pop(0) if self._running.faults else None
        if fault == "error":
            return paramiko.SFTP_FAILURE
        if fault == "denied":
            return paramiko.SFTP_PERMISSION_DENIED
        if fault == "unsupported":
            return paramiko.SFTP_OP_UNSUPPORTED
        if fault != "lost":
            _tried(lambda: self._at(oldpath).replace(self._at(newpath)))
        if fault is not None:
            self._transport.close()
        return paramiko.SFTP_OK

    def _at(self, path: str) -> Path:
        return self._running.folder / path.lstrip("/")


def _tried(step: Any) -> Any:
    """What a step returns, or the number of its error."""
    try:
        done = step()
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno)
    return (
        done
        if isinstance(done, paramiko.SFTPAttributes | paramiko.SFTPHandle)
        else paramiko.SFTP_OK
    )
