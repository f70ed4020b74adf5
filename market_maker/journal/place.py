"""Where a journal lies: its file system, and who has it open, as far as Linux tells."""

import os
import re
from pathlib import Path

REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs")
REMOTE_FUSE = "fuse.sshfs"
MOUNTS = Path("/proc/self/mounts")


def remote_file_system(directory: Path, mounts: str | None = None) -> str:
    """Return the kind of the file system of a directory if it is another machine's; else ""."""
    try:
        lines = (MOUNTS.read_text("utf-8", "replace") if mounts is None else mounts).splitlines()
    except OSError:
        return ""
    place, found = directory.resolve(), ("", "")
    for line in lines:
        _, where, kind, *_ = [*line.split(" "), "", "", ""]
        point = where.replace(r"\040", " ")
        if place.is_relative_to(point or "/nowhere") and len(point) >= len(found[0]):
            found = point, kind
    return found[1] if found[1] in (*REMOTE, REMOTE_FUSE) else ""


def started_ms(pid: int) -> int | None:
    """Return when a process started, in ms since the epoch; None where that is not told."""
    try:
        about = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        boot = re.search(r"^btime (\d+)$", Path("/proc/stat").read_text("ascii"), re.MULTILINE)
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
    return int(boot[1]) * 1000 + int(about[19]) * 1000 // ticks if boot else None


def others_with(path: Path) -> list[str]:
    """Return in words the other processes that have a file open, as far as this user may see."""
    found, path = [], path.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(_leads_to(each, path) for each in (process / "fd").iterdir()):
                name = (process / "comm").read_text("utf-8", "replace").strip()
                found.append(f"process {process.name} ({name})")
        except OSError:  # it has ended, or is another user's
            continue
    return found


def _leads_to(link: Path, path: Path) -> bool:
    try:
        return link.readlink() == path
    except OSError:
        return False
