"""How long a text is, as each measure counts."""

import pytest

from shared.channels.declaration import CHARACTERS, UTF_8_BYTES, UTF_16_UNITS, Measure

FLAG = "\U0001f1e9\U0001f1ea"


@pytest.mark.parametrize(
    ("text", "characters", "units", "utf_8"),
    [
        ("", 0, 0, 0),
        ("abc", 3, 3, 3),
        ("\u00e9", 1, 1, 2),
        ("\u6f22", 1, 1, 3),
        ("\U0001f389", 1, 2, 4),
        (FLAG, 2, 4, 8),
    ],
)
def test_a_text_has_as_many_as_its_measure_counts(text: str, characters: int, units: int, utf_8: int) -> None:
    def lengths(*measures: Measure) -> list[int]:
        return [measure.of(text) for measure in measures]

    assert lengths(CHARACTERS, UTF_16_UNITS, UTF_8_BYTES) == [characters, units, utf_8]
