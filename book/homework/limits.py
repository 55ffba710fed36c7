"""What one submission may use."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Limits for one submission.

    Attributes
    ----------
    cell, question, total
        Seconds: for one cell, for the tests of one question, for everything.
    memory
        Bytes that the student's process, with its children, may use.
    file
        Bytes of the largest file that it may write.
    restarts
        How often the process is started again after it was stopped, without the cell that was to blame.

    Examples
    --------
    >>> Limits(cell=5).cell, Limits().total
    (5, 600)
    """

    cell: float = 60
    question: float = 60
    total: float = 600
    memory: int = 3 * 2**30
    file: int = 100 * 2**20
    restarts: int = 6
