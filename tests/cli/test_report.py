"""Progress and tables."""

import io
import sys

from keras_vae_cli import report


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_work_that_cannot_be_counted_is_one_line(capsys):
    with report.progress("Exporting"):
        assert capsys.readouterr().err == "Exporting ...\n"
    assert capsys.readouterr().err == ""


def test_work_that_is_counted_is_a_line_now_and_then(capsys, monkeypatch):
    clock = iter([0, 3, 6, 6, 9, 12, 12])  # read twice where a line is written
    monkeypatch.setattr(report.time, "monotonic", lambda: next(clock))
    with report.progress("Sampling", 4000) as advance:
        for _ in range(4):
            advance(1000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Sampling: 2,000 of 4,000", "Sampling: 4,000 of 4,000"]


def test_on_a_terminal_it_moves_and_is_gone(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with report.progress("Sampling", 40) as advance:
        advance(30, "Sampling more")
    assert "Sampling more" in terminal.getvalue()
    assert terminal.getvalue().rstrip().endswith("\x1b[2K")


def test_a_table_in_a_file_is_not_cut(capsys):
    report.print_table("title", ["name", ">value"], [("x" * 120, 1.5)])
    assert "x" * 120 in capsys.readouterr().out


def test_sizes_of_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x" * 1500)
    (tmp_path / "c").write_bytes(b"x" * 20)
    assert report.size(tmp_path) == "1.52 kB"
    assert report.size(tmp_path / "c") == "20 bytes"
