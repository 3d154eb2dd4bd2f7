"""The sessions of all tabs: each by an id that nobody can guess, in memory, and in a file once there is work in it."""

from __future__ import annotations

import contextlib
import secrets
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evovae.base import InputError, State, files
from evovae.encodings import Encoding
from evovae.explorer.session import Session
from evovae.explorer.session_record import MOST_BYTES

KIND = "session"
IN_MEMORY = 64
"""Sessions at most that are held in memory; others wait in their files."""
ON_DISK = 500
"""Sessions at most that are kept in files; the one that was left alone longest goes first."""


class UnknownSessionError(InputError):
    """There is no session of this id."""


@dataclass
class _Entry:
    session: Session
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """Sessions by id. An id that is asked for is only ever looked up among those that are known.

    Args:
        encoding: of the genomes.
        digest: of what decodes; another's sessions are refused.
        folder: for the files; None keeps sessions in memory alone.
    """

    def __init__(self, encoding: Encoding, digest: str, folder: Path | None) -> None:
        self.encoding, self.digest, self._folder = encoding, digest, folder
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the one used last is the last
        self._lock = threading.Lock()
        found = sorted(folder.glob("session-*.safetensors"), key=_age) if folder else []
        self._files = {path.stem.removeprefix("session-"): path for path in found}  # the oldest first

    def new(self, seed: int | None) -> str:
        """Begin a session with `seed`, or one of its own choice, and return its id."""
        return self._put(Session(self.encoding, secrets.randbits(32) if seed is None else seed))

    def open(self, content: bytes) -> str:
        """Return the id of a new session that continues the one in a file.

        Raises:
            InputError: if it is no session of this VAE or generator.
        """
        identity = self._put(self._parse(content, "the file"))
        with self.change(identity):
            return identity

    def copy(self, identity: str) -> str:
        """Return the id of a new session that continues this one."""
        return self.open(self.content(identity))

    def content(self, identity: str) -> bytes:
        """Return the file of a session."""
        with self.borrow(identity) as session:
            return self._serialise(session)

    @contextlib.contextmanager
    def borrow(self, identity: str) -> Iterator[Session]:
        """Lend a session to one user at a time, for a look at it.

        Raises:
            UnknownSessionError: if there is none of this id.
        """
        entry = self._find(identity)
        with entry.lock:
            yield entry.session

    @contextlib.contextmanager
    def change(self, identity: str) -> Iterator[Session]:
        """Lend a session to one user at a time, and keep it in its file afterwards."""
        with self.borrow(identity) as session:
            yield session
            self._keep(identity, session)

    def _find(self, identity: str) -> _Entry:
        with self._lock:
            if identity in self._entries:
                self._entries.move_to_end(identity)
                return self._entries[identity]
            if identity not in self._files:
                raise UnknownSessionError("there is no such session: begin another, or open one that you saved")
            path = self._files[identity]
            session = self._parse(files.read_bytes(path, MOST_BYTES), str(path))
            return self._hold(identity, session)

    def _put(self, session: Session) -> str:
        identity = secrets.token_urlsafe(16)
        with self._lock:
            self._hold(identity, session)
        return identity

    def _hold(self, identity: str, session: Session) -> _Entry:
        self._entries[identity] = _Entry(session)
        if len(self._entries) > IN_MEMORY:
            self._entries.popitem(last=False)
        return self._entries[identity]

    def _keep(self, identity: str, session: Session) -> None:
        """Write a session's file. A disk that takes no more costs nothing but the file."""
        if self._folder is None:
            return
        path = self._folder / f"session-{identity}.safetensors"
        try:
            files.write_bytes(path, self._serialise(session))
            with self._lock:
                self._files.pop(identity, None)
                self._files[identity] = path
                while len(self._files) > ON_DISK:
                    self._files.pop(next(iter(self._files))).unlink(missing_ok=True)
        except OSError as error:
            print(f"evovae: {path} cannot be written ({error.strerror}): save the session in the page", file=sys.stderr)

    def _serialise(self, session: Session) -> bytes:
        return files.tensors_to_bytes(KIND, session.state(), {"vae": self.digest, "record": session.record})

    def _parse(self, content: bytes, name: str) -> Session:
        tensors, words = files.parse_tensors(content, KIND, name)
        if words.get("vae") != self.digest:
            raise InputError(
                f"{name} is a session of another VAE or generator: open it with the one that it was made with"
            )
        return Session.restored(self.encoding, State(tensors), words.get("record"))


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
