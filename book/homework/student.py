"""The process in which a student's code runs: it knows no test, and answers requests for what the code has defined."""

import contextlib
import os
import signal
from collections import ChainMap
from multiprocessing.connection import Connection

import psutil

from homework.limits import Limits
from homework.peer import Peer

__all__ = ["RUN_CELL", "student_process"]

RUN_CELL = "run a cell"  # no student's name can be this


def student_process(connection: Connection, folder: str, limits: Limits) -> None:
    """Become the process of a student: alone, bounded, mute; then answer until the line is closed.

    Parameters
    ----------
    connection
        The line to the grader.
    folder
        An empty folder to work in.
    limits
        Of memory and of files.
    """
    os.setsid()
    os.chdir(folder)
    _silence(connection.fileno())
    _bound(limits)
    os.environ.update(MPLBACKEND="agg", IPYTHONDIR=folder, HOME=folder, VAE_NOTES_PROGRESS="0")
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

    def run_cell(source: str) -> str:
        """Run a cell as Jupyter would, and return what error it raised, or nothing."""
        outcome = shell.run_cell(source)
        error = outcome.error_before_exec or outcome.error_in_exec
        return "" if error is None else f"{type(error).__name__}: {error}"[:500]

    Peer(connection, ChainMap({RUN_CELL: run_cell}, shell.user_ns)).serve_forever()
    os.kill(os.getpid(), signal.SIGKILL)  # whatever the code has registered to run at the end does not


def _silence(line: int) -> None:
    """Nothing to read, and nowhere to write: gigabytes of output cost nothing. Only the line stays open."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    highest = max(int(name) for name in os.listdir("/dev/fd"))
    os.closerange(3, line)
    os.closerange(line + 1, highest + 1)


def _bound(limits: Limits) -> None:
    """The system's own limits, where it has them: macOS does not bound the address space."""
    import resource

    space = psutil.Process().memory_info().vms + limits.memory
    bounds = {
        resource.RLIMIT_AS: space,
        resource.RLIMIT_CPU: int(limits.total) + 1,  # if nobody is left to stop it
        resource.RLIMIT_FSIZE: limits.file,
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, bound))
