"""Patterns of file names reach the loader as typed, although Hydra reads braces and brackets as something else."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.cli import with_quoted_patterns

PARSER = OverridesParser.create()


@given(st.text(alphabet="ab{}[]()*^$|?.,_- /\\'\":=é", min_size=1, max_size=12))
@example("\\'")
@example("a\\\\'b\\")
@example("${")
def test_any_pattern_arrives_as_typed(pattern):
    (argument,) = with_quoted_patterns([f"data.truth={pattern}"])
    if argument == f"data.truth={pattern}":  # Hydra's own rules hold
        assert pattern[0] in "'\"" or "${" in pattern or not set(pattern) & set("{}[]()^|\\, ")
        return
    assert PARSER.parse_override(argument).value() == pattern


@pytest.mark.parametrize(
    ("argument", "given_on"),
    [
        ("data.images={stem}.jpg", "data.images='{stem}.jpg'"),
        ("data.group_pattern=^(.*)_y", "data.group_pattern='^(.*)_y'"),
        ("data.group_pattern='^(.*)_y'", "data.group_pattern='^(.*)_y'"),
        ('data.truth="{stem}.png"', 'data.truth="{stem}.png"'),
        ("data.truth=null", "data.truth=null"),
        ("report.by=^(.*)_y", "report.by='^(.*)_y'"),
        ("report.by=scanner", "report.by=scanner"),
        ("data.images=*.png", "data.images=*.png"),
        ("data.group_pattern=7", "data.group_pattern=7"),
        ("data.labels={a: 1}", "data.labels={a: 1}"),
        ("data.valid=${data.truth}", "data.valid=${data.truth}"),
    ],
)
def test_only_patterns_that_need_quotes_get_them(argument, given_on):
    assert with_quoted_patterns([argument]) == [given_on]
