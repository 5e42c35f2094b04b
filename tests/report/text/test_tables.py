"""Tables fit the terminal."""

import pytest

from experiments.report.text.tables import fitted_table, terminal_width, text_table

HEADERS = ["mask", "arm", "verdict", "gain"]
ROWS = [["thin", "dice", "moves out", "+0.1"], [], ["thick", "dice", "slides", "+0.0"]]


@pytest.mark.parametrize(
    ("width", "columns"),
    [(200, 4), (28, 4), (27, 3), (22, 3), (21, 2), (1, 2)],  # mask 5, arm 4, verdict 9, gain 4, two spaces between
)
def test_a_narrow_terminal_loses_the_columns_at_the_right(width, columns):
    table = fitted_table(HEADERS, ROWS, width=width, keep=2)
    assert table == text_table(HEADERS[:columns], [row[:columns] for row in ROWS])
    assert max(map(len, table.splitlines())) <= max(width, 11)


def test_the_width_is_what_columns_says_and_wide_where_output_is_piped(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert terminal_width() == 70
    monkeypatch.delenv("COLUMNS")
    assert terminal_width() == 200  # of a test nobody watches
