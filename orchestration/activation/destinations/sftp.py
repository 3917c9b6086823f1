"""SFTP: an audience as CSV or Parquet in a folder of another machine.

The server has to be the one whose key the option `host_key` gives: a key that is not known is never
taken. It has to replace files at once (posix-rename@openssh.com), or readers would find none
between two. Each request reads the hidden file of members and writes both files whole: of 1,000,000
members the last of ten requests moves about 250 MB.

A file knows audiences alone: whoever is forgotten leaves it, and copies of it are not followed.
"""

import base64
import binascii
import errno
import io
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal
from urllib.parse import urlsplit

import paramiko
from pydantic import Field, field_validator

from orchestration.activation.destination import (
    Connection,
    Declared,
    DeniedError,
    Destination,
    NoOptions,
    UnavailableError,
)
from orchestration.activation.member_file import (
    BATCH_BYTES,
    BATCH_ROWS,
    COLUMNS,
    IDENTIFIERS,
    Layout,
    MemberFile,
)

_PRIVATE_KEYS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class SftpServer(NoOptions):
    """Where the folder is. `host_key` is the type and the key of the server, as in known_hosts:
    ssh-ed25519 AAAA... The folder has to be there.
    """

    host: str = Field(pattern=r"^[A-Za-z0-9.:-]+$")
    port: int = Field(default=22, gt=0, lt=65536)
    user: str = Field(min_length=1)
    host_key: str
    folder: str = Field(pattern="^/")

    @field_validator("host_key")
    @classmethod
    def _is_a_key(cls, host_key: str) -> str:
        try:
            _public_key(host_key)
        except (ValueError, binascii.Error, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
            raise ValueError("must be a type and a key: ssh-ed25519 AAAA...") from None
        return host_key


class SftpOptions(SftpServer):
    """The server and the format. `guard_formulas` is for a CSV that people open in a spreadsheet,
    which then does not calculate what somebody gave as a name.
    """

    format: Literal["csv", "parquet"] = "csv"
    guard_formulas: bool = False


DECLARED = Declared(
    fields={name: name for name in COLUMNS},
    identifiers=IDENTIFIERS,
    purpose="marketing",
    channel="email",
    batch_rows=BATCH_ROWS,
    batch_bytes=BATCH_BYTES,
    optional_secrets=("PASSWORD", "PRIVATE_KEY", "PASSPHRASE"),
    options=SftpOptions,
    takes_attributes=True,
)


def connect(options: SftpOptions, connection: Connection) -> Destination:
    """The folder; nothing is sent."""
    layout = Layout(options.format, guarded=options.guard_formulas)
    return MemberFile(RemoteFolder(options, connection), layout)


class RemoteFolder:
    """A folder of an SFTP server, which each use logs in to anew."""

    def __init__(self, server: SftpServer, connection: Connection) -> None:
        """Nothing is sent yet. The address of the connection, sftp://host:port, goes before."""
        other = urlsplit(connection.url or "")
        self._server = server
        self._host = other.hostname or server.host
        self._port = other.port or server.port
        self._secrets = connection.secrets
        self._timeout = connection.timeout_seconds

    def read(self, name: str) -> bytes | None:
        """A whole file; None when there is none."""
        content = io.BytesIO()
        with self._session() as session:
            self._require(session)
            try:
                session.getfo(self._path(name), content)
            except FileNotFoundError:
                return None
        return content.getvalue()

    def replace(self, name: str, content: bytes) -> None:
        """Write a draft beside the file, then let it take the place of the file."""
        draft = self._path(f".{name.removeprefix('.')}.draft")
        with self._session() as session:
            self._require(session)
            try:
                session.putfo(io.BytesIO(content), draft)
                self._rename(session, draft, self._path(name))
            except Exception:
                # Half a file of persons is left nowhere, where that can be helped.
                with suppress(OSError, EOFError, paramiko.SSHException):
                    session.remove(draft)
                raise

    def _path(self, name: str) -> str:
        return posixpath.join(self._server.folder, name)

    def _require(self, session: paramiko.SFTPClient) -> None:
        try:
            session.stat(self._server.folder)
        except FileNotFoundError:
            raise DeniedError(f"there is no folder {self._server.folder} on the server") from None

    def _rename(self, session: paramiko.SFTPClient, draft: str, path: str) -> None:
        try:
            session.posix_rename(draft, path)
        except OSError as error:
            # No number tells that the extension is not there.
            if error.errno is None and "unsupported" in str(error).lower():
                raise DeniedError("the server does not replace files (posix-rename)") from None
            raise

    @contextmanager
    def _session(self) -> Iterator[paramiko.SFTPClient]:
        """A login. What goes wrong in it is raised as a destination raises it."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        key = _public_key(self._server.host_key)
        known_as = self._host if self._port == 22 else f"[{self._host}]:{self._port}"
        client.get_host_keys().add(known_as, key.get_name(), key)
        try:
            client.connect(
                self._host,
                self._port,
                self._server.user,
                **_credentials(self._secrets),
                timeout=self._timeout,
                banner_timeout=self._timeout,
                auth_timeout=self._timeout,
                channel_timeout=self._timeout,
                allow_agent=False,
                look_for_keys=False,
            )
            with client.open_sftp() as session:
                session.get_channel().settimeout(self._timeout)
                yield session
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _failure(error) from None
        finally:
            client.close()


def _public_key(line: str) -> paramiko.PKey:
    kind, encoded, *_ = [*line.split(), ""]
    return paramiko.PKey.from_type_string(kind, base64.b64decode(encoded, validate=True))


def _credentials(secrets: Mapping[str, str]) -> dict[str, Any]:
    """A private key where there is one, else the password. Raises DeniedError without both."""
    text, passphrase = secrets.get("PRIVATE_KEY"), secrets.get("PASSPHRASE") or None
    if text:
        for kind in _PRIVATE_KEYS:
            # Other kinds of keys, and a wrong passphrase, fail in many ways.
            with suppress(paramiko.SSHException, ValueError, IndexError, TypeError):
                return {"pkey": kind.from_private_key(io.StringIO(text), passphrase)}
        raise DeniedError("the private key cannot be read: is the passphrase right?")
    if secrets.get("PASSWORD"):
        return {"password": secrets["PASSWORD"]}
    raise DeniedError("set the environment variable of the password or of the private key")


def _failure(error: Exception) -> DeniedError | UnavailableError:
    if isinstance(error, paramiko.BadHostKeyException):
        return DeniedError("the server has another key than the option host_key")
    if isinstance(error, paramiko.AuthenticationException):
        return DeniedError("the server does not let this user in")
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.ENOENT):
        return DeniedError(f"the folder cannot be used: {type(error).__name__}")
    return UnavailableError(type(error).__name__)
