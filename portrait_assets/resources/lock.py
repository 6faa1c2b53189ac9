"""One writer: processes take turns on the warehouse file through an operating-system lock, patiently and visibly."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger("portrait")

POLL_SECONDS = 0.2
SAY_SO_EVERY_SECONDS = 15.0


@contextmanager
def exclusive(path: Path, purpose: str) -> Iterator[None]:
    """Hold the lock file at `path`; while another holds it, wait and say for whom. A dead holder's lock is free at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        waited, next_word = 0.0, 1.0
        while not _try_lock(descriptor):
            if waited >= next_word:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
                logger.info("%s waits for the warehouse, held by %s (%.0f s so far)", purpose, holder, waited)
                next_word = waited + SAY_SO_EVERY_SECONDS
            time.sleep(POLL_SECONDS)
            waited += POLL_SECONDS
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}: {purpose}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file at `path` just now, for one that would rather come back than wait."""
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def is_alive(process: int) -> bool:
    """Whether a process of this number is there."""
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
