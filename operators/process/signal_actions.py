"""Keeps what a process does on signals, where a library sets actions of its own."""

from __future__ import annotations

import ctypes
import signal

# struct sigaction has 152 bytes in glibc and musl on 64 bits
ACTION_BYTES = 256


class SignalActions:
    """The actions on SIGTERM, and on SIGINT unless it raises KeyboardInterrupt, when this was made.

    Python could restore them in its main thread only, which waits for the library.
    """

    def __init__(self) -> None:
        self.libc = ctypes.CDLL(None)
        interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        numbers = (signal.SIGTERM,) if interrupts else (signal.SIGTERM, signal.SIGINT)
        self.actions = {number: self.action_on(number) for number in numbers}

    def action_on(self, number: int) -> ctypes.Array[ctypes.c_char]:
        """Returns the present action, as C has it."""
        action = ctypes.create_string_buffer(ACTION_BYTES)
        self.libc.sigaction(int(number), None, action)
        return action

    def restore(self) -> None:
        """Sets the actions again, from any thread."""
        for number, action in self.actions.items():
            self.libc.sigaction(int(number), action, None)
