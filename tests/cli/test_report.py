"""Progress and tables."""

import io
import sys

import pytest

from keras_vae_cli import report, rows_of_metrics


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


class Timer:
    """In place of `threading.Timer`: as if so many seconds had passed at once."""

    passed, running = 0.0, set()

    def __init__(self, seconds, function, args, kwargs):
        self.seconds, self.call = seconds, lambda: function(*args, **kwargs)

    def start(self):
        self.running.add(self)
        if self.seconds <= self.passed:
            self.call()

    def cancel(self):
        self.running.remove(self)


@pytest.mark.parametrize("command", ["score", "encode"])
def test_commands_say_that_data_are_read_where_it_takes_long(
    call, run, tmp_path, monkeypatch, command
):
    monkeypatch.setattr(report.threading, "Timer", Timer)
    for seconds, said in ((0.9, False), (3600.0, True)):
        monkeypatch.setattr(Timer, "passed", seconds)
        result = call(command, run, "--output", tmp_path / "out.csv")
        assert result.exit_code == 0, result.output
        assert ("Reading data ...\n" in result.stderr) is said
        assert "Reading" not in result.stdout and not Timer.running


def test_on_a_terminal_reading_is_shown_at_once(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with report.reading():
        pass
    assert "Reading data" in terminal.getvalue()
    assert terminal.getvalue().rstrip().endswith("\x1b[2K")


def test_one_epoch_is_no_epochs():
    for number, words in ((1, "s (1 epoch, best 1)"), (2, "s (2 epochs, best 1)")):
        metrics = {"num_active_units": None, "training_seconds": 1.0, "best_epoch": 1}
        rows = rows_of_metrics.metric_rows({**metrics, "epochs": number})
        assert ("training", "1.0", words) in rows


def test_a_table_in_a_file_is_not_cut(capsys):
    report.print_table("title", ["name", ">value"], [("x" * 120, 1.5)])
    assert "x" * 120 in capsys.readouterr().out


def test_sizes_of_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x" * 1500)
    (tmp_path / "c").write_bytes(b"x" * 20)
    assert report.size(tmp_path) == "1.52 kB"
    assert report.size(tmp_path / "c") == "20 bytes"
