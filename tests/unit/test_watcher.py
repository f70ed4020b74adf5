"""A file has changed when new content has stood still for two looks."""

import errno
import os
from pathlib import Path

import pytest

from market_maker.settings import reload
from market_maker.settings.reload import FileWatcher


def test_new_content_is_reported_once_it_has_stood_still(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text("A = 1")
    watcher = FileWatcher([file])
    assert watcher.changed() == []
    file.write_text("A = 2")
    assert watcher.changed() == []
    assert watcher.changed() == [file]
    assert watcher.changed() == []


def test_a_file_in_the_middle_of_being_saved_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text("A = 1")
    watcher = FileWatcher([file])
    for cut in ("A", "A =", "A = 2"):
        file.write_text(cut)
        assert watcher.changed() == []
    assert watcher.changed() == [file]


def test_a_touch_is_not_a_change_and_an_older_file_put_back_is(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text("A = 1")
    watcher = FileWatcher([file])
    os.utime(file)
    assert watcher.changed() == []
    assert watcher.changed() == []
    file.write_text("A = 0")
    os.utime(file, (1, 1))
    watcher.changed()
    assert watcher.changed() == [file]


def test_a_file_that_is_away_for_a_moment_has_not_changed_but_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text("A = 1")
    watcher = FileWatcher([file])
    file.rename(tmp_path / "elsewhere")
    assert watcher.changed() == []
    assert watcher.newly_missing() == [file]
    assert watcher.newly_missing() == []
    (tmp_path / "elsewhere").rename(file)
    assert watcher.changed() == []
    assert watcher.newly_missing() == []


@pytest.mark.parametrize("kind", ["directory", "pipe", "link to itself"])
def test_what_is_no_file_any_more_is_missing(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text("A = 1")
    watcher = FileWatcher([file])
    file.unlink()
    if kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to(file)
    assert watcher.changed() == []
    assert watcher.newly_missing() == [file]
    assert watcher.newly_missing() == []


def test_a_file_that_is_there_but_cannot_be_read_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.py"
    file.write_text("A = 1")
    watcher = FileWatcher([file])

    def open_none(_path: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(reload, "read", open_none)
        assert watcher.changed() == watcher.newly_missing() == []
    assert watcher.changed() == []


def test_a_file_that_appears_is_a_change(tmp_path: Path) -> None:
    file = tmp_path / "settings-BTC_USD.py"
    watcher = FileWatcher([file])
    file.write_text("A = 1")
    watcher.changed()
    assert watcher.changed() == [file]
