"""One end of the line between grader and student's process: either may call what the other keeps, in turn."""

from multiprocessing.connection import Connection

from homework.messages import LARGEST, Reference, pack, plain, rebuilt, unpack

__all__ = ["Peer", "Remote", "RemoteError"]

# Errors that cross the line under their own name; every other one arrives as a RemoteError.
_KNOWN = (
    ArithmeticError, AssertionError, AttributeError, IndexError, KeyError, NameError, NotImplementedError,
    OverflowError, RuntimeError, TypeError, ValueError, ZeroDivisionError,
)  # fmt: skip
_BY_NAME = {one.__name__: one for one in _KNOWN}


class RemoteError(Exception):
    """The other side failed, in a way that has no name here, or is gone."""


class Remote(Reference):
    """An object of the other side: calling it, or asking for an attribute, happens there.

    Parameters
    ----------
    peer
        The line.
    number
        Under which the other side keeps it.
    """

    def __init__(self, peer: "Peer", number: int):
        super().__init__(number)
        self._peer = peer

    def __call__(self, *args, **kwargs):
        return self._peer.ask("call", self, args, kwargs)

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._peer.ask("attribute", self, name)


class Peer:
    """One end of the line.

    A request is answered by exactly one answer; while it is open, the other side may itself send requests (a
    function that was handed over is called back), which are served before the answer is read.

    Parameters
    ----------
    connection
        Two-way pipe to the other process.
    names
        What the other side may ask for by name.
    """

    def __init__(self, connection: Connection, names: dict | None = None):
        self._connection = connection
        self._names = {} if names is None else names
        self._kept: list = []

    def ask(self, what: str, *parts):
        """Send a request, serve what comes meanwhile, and return the answer.

        Parameters
        ----------
        what
            ``"name"`` (a text), ``"call"`` (an object, a tuple, a dictionary) or ``"attribute"`` (an object, a text).

        Raises
        ------
        Exception
            What the other side raised, if it is one of Python's common errors, else `RemoteError`.
        """
        self._send(what, *parts)
        while True:
            kind, *rest = self._receive()
            if kind == "answer":
                return rest[0]
            if kind == "error":
                name, text = rest
                raise _BY_NAME.get(name, RemoteError)(str(text)[:2000])
            self._serve(kind, rest)

    def serve_forever(self) -> None:
        """Answer requests until the line is closed."""
        while True:
            try:
                kind, *rest = self._receive()
            except RemoteError:
                return
            self._serve(kind, rest)

    def _serve(self, kind: str, parts: list) -> None:
        try:
            if kind == "name":
                answer = self._names[parts[0]]
            elif kind == "call":
                function, args, kwargs = parts
                answer = function(*args, **kwargs)
            elif kind == "attribute" and not parts[1].startswith("_"):
                answer = getattr(*parts)
            else:
                raise ValueError(f"unknown request {kind!r}")
            self._send("answer", answer)
        except Exception as error:  # noqa: BLE001 - every error is the other side's to see
            self._send("error", type(error).__name__, str(error)[:2000])

    def _send(self, *parts) -> None:
        content = pack([plain(part, self._keep) for part in parts])
        try:
            self._connection.send_bytes(content)
        except OSError as error:
            raise RemoteError("the program has ended") from error

    def _receive(self) -> list:
        try:
            content = self._connection.recv_bytes(LARGEST)
        except (EOFError, OSError) as error:
            raise RemoteError("the program has ended") from error
        try:
            return [rebuilt(part, self._theirs, self._kept.__getitem__) for part in unpack(content)]
        except Exception as error:
            raise RemoteError(f"the program sent what cannot be read ({type(error).__name__})") from error

    def _keep(self, value) -> int:
        self._kept.append(value)
        return len(self._kept) - 1

    def _theirs(self, number: int) -> Remote:
        return Remote(self, number)
