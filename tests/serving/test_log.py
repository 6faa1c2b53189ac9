"""The log: what it says is durable is, and what a crash leaves behind is cut to whole lines."""

import os
from pathlib import Path

import pytest

from portrait_assets.serving import log as module
from portrait_assets.serving.log import Log


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "live", tmp_path / "landing"


def test_lines_are_written_and_flushed_before_append_returns(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    log = Log(*folders)
    flushed = []
    monkeypatch.setattr(module.os, "fsync", lambda file: flushed.append(os.pread(file, 100, 0)))
    assert log.append(['{"n":1}', '{"n":2}']) == (1, 2)
    assert flushed == [b'{"n":1}\n{"n":2}\n']


def test_a_closed_segment_lies_whole_in_the_landing_folder_and_numbers_go_on(folders: tuple[Path, Path]):
    log = Log(*folders)
    log.append(['{"n":1}'])
    log.close_segment()
    log.append(['{"n":2}'])
    log.close()
    assert [(segment.number, segment.lines()) for segment in Log(*folders).segments()] == [(1, ['{"n":1}']), (2, ['{"n":2}'])]
    assert Log(*folders).append(['{"n":3}']) == (3, 1)


def test_numbers_of_segments_that_were_moved_away_do_not_come_back(folders: tuple[Path, Path]):
    assert Log(*folders, used_numbers=[7]).append(['{"n":1}']) == (8, 1)


@pytest.mark.parametrize("torn", [b'{"n":3', b'{"n":3}', b"\x00\x00\x00\n", b'{"n":\n{"n":4}\n'])
def test_a_torn_tail_is_cut_and_what_was_whole_is_handed_over(folders: tuple[Path, Path], torn: bytes):
    log = Log(*folders)
    log.append(['{"n":1}', '{"n":2}'])
    with log.path.open("ab") as file:
        file.write(torn)
    [segment] = Log(*folders).segments()
    assert segment.lines() == ['{"n":1}', '{"n":2}']


def test_a_write_that_fails_leaves_nothing_of_its_lines(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    log = Log(*folders)
    log.append(['{"n":1}'])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(module.os, "fsync", full)
        log.append(['{"n":2,"longer":"than the next one"}'])
    log.append(['{"n":3}'])
    assert log.path.read_text() == '{"n":1}\n{"n":3}\n'
