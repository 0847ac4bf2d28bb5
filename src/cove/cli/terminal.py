"""The terminal and the standard streams as bytes, for `cove exec` alone.

What passes here are the bytes of a program in a container, not words of cove's; those go through
`cove.cli.output`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Final

STDIN: Final = 0
_CHUNK: Final = 64 * 1024  # bytes read at once
# POSIX: a pipe that can be written to takes at least so much without making the writer wait.
_WRITE: Final = select.PIPE_BUF


@contextlib.contextmanager
def raw() -> Iterator[None]:
    """The terminal passes every key on, Ctrl-C too, until the block is left in whatever way."""
    before = termios.tcgetattr(STDIN)
    try:
        tty.setraw(STDIN, termios.TCSADRAIN)
        yield
    finally:
        # What was typed ahead for a program that is gone must not reach the shell.
        termios.tcsetattr(STDIN, termios.TCSAFLUSH, before)


def size() -> tuple[int, int]:
    """The terminal's rows and columns; zeros where it does not tell."""
    try:
        found = os.get_terminal_size(STDIN)
    except OSError:
        return 0, 0
    return found.lines, found.columns


async def read() -> bytes:
    """The next piece of standard input; empty at its end."""
    try:
        await _until(STDIN, writing=False)
        return os.read(STDIN, _CHUNK)
    except OSError:  # it was closed, or the terminal is gone
        return b""


async def write(stream: int, data: bytes) -> None:
    """Writes to standard output (1) or error (2). Raises BrokenPipeError where nobody reads."""
    view = memoryview(data)
    file = sys.stdout if stream == 1 else sys.stderr
    while view:
        await _until(file.fileno(), writing=True)
        with contextlib.suppress(BlockingIOError):
            view = view[os.write(file.fileno(), view[:_WRITE]) :]


async def _until(descriptor: int, *, writing: bool) -> None:
    """Waits until it can be read or written; files of a disk always can."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        (loop.add_writer if writing else loop.add_reader)(descriptor, ready.set)
    except PermissionError:  # epoll(7) takes no regular files
        return
    try:
        await ready.wait()
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(descriptor)
