"""What this process uses of its machine."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
PROC = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Resources:
    """Memory in MiB, and counts; None for what this system does not tell."""

    memory: float | None
    threads: int
    files: int | None

    def __str__(self) -> str:
        memory = "?" if self.memory is None else f"{self.memory:.0f}"
        files = "?" if self.files is None else self.files
        return f"{memory} MiB of memory, {self.threads} threads, {files} open files"


def used(proc: Path = PROC) -> Resources:
    """Return what is in use now; memory and files are known where there is a /proc."""
    memory = files = None
    try:
        pages = int((proc / "statm").read_text().split()[1])
        memory = pages * os.sysconf("SC_PAGE_SIZE") / MIB
        files = len(list((proc / "fd").iterdir()))
    except (OSError, ValueError, IndexError):
        pass
    return Resources(memory, threading.active_count(), files)
