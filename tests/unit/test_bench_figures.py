"""What the benchmarks make of their figures."""

from xml.etree import ElementTree

import pytest

from bench.compare.figures import Table, chart, markdown, percentile, ratio, shown
from bench.compare.targets import Target, verdicts
from bench.storage_size import index_bytes
from shared.google.firestore.records import document
from tests.fakes.clock import START

TABLE = Table("accept", "Accepting", ("side", "CPU, ms", "× raw"), [("raw", 2.0, 1.0), ("hark", 4.0, None)], 1, "ms")
SVG = "{http://www.w3.org/2000/svg}"


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    """The machine was three times as slow in the second round: that is in neither ratio."""
    assert ratio([1.2, 3.6, 1.3], [1.0, 3.0, 1.0]) == pytest.approx(1.2)


def test_a_ratio_needs_as_many_rounds_of_both() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 51), (99, 100), (100, 100)])
def test_percentiles_are_values_that_were_measured(percent: float, value: int) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == value


@pytest.mark.parametrize(
    ("cell", "text"), [(None, ""), ("met", "met"), (0, "0"), (1500, "1,500"), (0.123, "0.12"), (12.34, "12.3")]
)
def test_figures_are_shown_as_exactly_as_they_are_known(cell: str | float | None, text: str) -> None:
    assert shown(cell) == text


def test_a_table_has_its_chart_and_a_cell_for_each_column() -> None:
    lines = markdown(TABLE).splitlines()
    assert "![Accepting](accept.svg)" in lines
    assert lines[-4:] == [
        "| side | CPU, ms | × raw |",
        "|---|---:|---:|",
        "| raw | 2.00 | 1.00 |",
        "| hark | 4.00 |  |",
    ]


def test_a_charts_bars_are_as_long_as_their_figures() -> None:
    _, raw, hark = ElementTree.fromstring(chart(TABLE)).findall(f"{SVG}rect")
    assert float(hark.attrib["width"]) == pytest.approx(2 * float(raw.attrib["width"]), rel=0.01)


def test_a_name_cannot_break_a_chart() -> None:
    row = ("<script>&", 1.0, None)
    root = ElementTree.fromstring(chart(Table("x", "a & b", TABLE.header, [row], 1, '"ms"')))
    assert "<script>&" in [text.text for text in root.iter(f"{SVG}text")]


def test_a_missed_target_says_so() -> None:
    table = verdicts([Target("accept", [1.2, 1.4, 2.0], 1.4), Target("delivery", [1.3, 1.41, 1.5], 1.4)])
    assert [row[-1] for row in table.rows] == ["met", "**missed**"]
    assert [row[2] for row in table.rows] == ["1.20 to 2.00", "1.30 to 1.50"]


def test_a_long_name_stays_inside_its_chart() -> None:
    name = "cold start: gateway, to the first 202 of all"
    label = ElementTree.fromstring(chart(Table("x", "t", TABLE.header, [(name, 1.0, None)], 1, "ms"))).findall(
        f"{SVG}text"
    )[1]
    assert label.text == name
    assert float(label.attrib["x"]) > 7 * len(name)


def test_of_a_list_that_is_looked_into_each_value_is_an_entry_of_an_index() -> None:
    name = "projects/p/databases/(default)/documents/notifications/n"
    values = {"caller": "c", "shard": 3, "created_at": START}
    plain = index_bytes(document(name, values))
    assert plain["query_entries"] == 2
    tagged = index_bytes(document(name, {**values, "found_by": ["tag:a:b", "tag:c:d"]}))
    assert tagged["query_entries"] == 6
    # The name has 32 bytes, what an index of a collection has besides 16 of them; 8 and 2, 8 and 8 are the values'.
    assert tagged["query_bytes"] - plain["query_bytes"] == 2 * (32 + 32 + 8 + 8 + 8) + 2 * (32 + 32 + 2 + 8 + 8 + 8)
