"""Tables as plain text, wherever they are made."""

import rich.console

from keras_vae.text_tables import text_table


def test_a_table_is_text_in_a_notebook_and_where_colours_are_forced(monkeypatch):
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    lines = text_table({"a": ["[b]x", ":car:"], "n": [1.5, 10]}, left="a").split("\n")
    assert lines[0].split() == ["a", "n"]
    assert [line.split() for line in lines[2:]] == [["[b]x", "1.5"], [":car:", "10"]]


def test_long_cells_go_on_in_the_next_line():
    lines = text_table({"a": ["one two three"]}, left="a", width=8).split("\n")
    assert [line.strip() for line in lines[2:]] == ["one two", "three"]
