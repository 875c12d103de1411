"""The backlog of the log relay."""

from ionman.hosts.logrelay import Backlog


def drain(backlog: Backlog) -> bytes:
    taken = b""
    while backlog:
        data = backlog.peek()
        taken += data
        backlog.taken(len(data))
    return taken


def test_whole_lines_come_out_as_they_went_in() -> None:
    backlog = Backlog()
    backlog.add(b"one\ntw")
    assert backlog.peek() == b"one\n"
    backlog.add(b"o\n")
    assert drain(backlog) == b"one\ntwo\n"


def test_what_does_not_fit_is_counted_and_said() -> None:
    backlog = Backlog(limit=20)
    backlog.add(b"123456789\n" * 5)
    assert (len(backlog), backlog.lines, backlog.bytes) == (20, 3, 30)
    text = drain(backlog)
    assert text.startswith(b"123456789\n123456789\n")
    assert b"3 lines (30 bytes) were dropped here\n" in text
    assert backlog.lines == 0
    backlog.add(b"after\n")
    assert drain(backlog) == b"after\n"


def test_once_lines_are_dropped_none_overtakes_them() -> None:
    backlog = Backlog(limit=20)
    backlog.add(b"123456789\n" * 2 + b"a much longer line than that\n" + b"x\n")
    backlog.add(b"y\n")
    assert backlog.lines == 3


def test_a_line_without_end_is_cut() -> None:
    backlog = Backlog(limit=20)
    backlog.add(b"x" * 15)
    assert drain(backlog) == b"x" * 15 + b"\n"


def test_the_last_line_needs_no_end() -> None:
    backlog = Backlog()
    backlog.add(b"last words")
    backlog.finish()
    assert drain(backlog) == b"last words\n"
