"""Stop between two steps: signals that would end a program are held back until it is ready for them."""

import signal
import threading
from typing import Self

__all__ = ["HeldSignals"]


class HeldSignals:
    """Hold SIGINT (Ctrl-C) and SIGTERM back, so that they stop a loop between two steps and not within one.

    Inside the ``with`` block a signal only sets ``pending``; the loop looks at it between two steps, saves
    what it must, and calls ``deliver``. In a thread other than the main one nothing is held back, since Python
    allows no handler there. The handlers that were there before are put back at the end.

    Examples
    --------
    >>> before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
    >>> with HeldSignals() as signals:
    ...     signal.raise_signal(signal.SIGINT)  # as Ctrl-C would
    ...     print("the step is finished first:", signals.pending == signal.SIGINT)
    ...     try:
    ...         signals.deliver("stopped after this step")
    ...     except KeyboardInterrupt as stop:
    ...         print(stop)
    the step is finished first: True
    stopped after this step
    >>> _ = signal.signal(signal.SIGINT, before)
    """

    def __init__(self):
        self.pending: int | None = None
        self.previous: dict = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handler
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # someone wants it ignored
                    self.previous[number] = signal.signal(number, self._hold)
        return self

    def _hold(self, number: int, frame) -> None:
        if self.pending == number == signal.SIGINT:
            raise KeyboardInterrupt("stopped at once by a second Ctrl-C; the checkpoint may be older")
        if self.pending != signal.SIGTERM:  # which a later Ctrl-C must not replace
            self.pending = number

    def deliver(self, note: str) -> None:
        """Do now what the signal would have done at once. A handler of the caller's is called."""
        number, self.pending = self.pending, None
        handler = self.previous[number]
        if callable(handler) and handler is not signal.default_int_handler:
            handler(number, None)
        elif number == signal.SIGINT:
            raise KeyboardInterrupt(note)
        else:
            raise SystemExit(128 + number)

    def __exit__(self, kind, error, traceback) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        # What came after the last look must not get lost; beside an error only the wish to terminate counts.
        if self.pending == signal.SIGTERM or (self.pending is not None and kind is None):
            self.deliver("stopped when training had ended")
