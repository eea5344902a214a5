"""Whatever a template's author or its data's sender writes costs at most 50 ms and 20 MB."""

import gc
import time
import tracemalloc
from functools import partial

import pytest

from functions.gateway.rendering import template_limits
from functions.gateway.rendering.liquid_filters import person, person_of
from functions.gateway.rendering.liquid_rendering import Text, noting_what_is_missing
from functions.gateway.rendering.template_limits import OverLimit, begin, check_time
from functions.gateway.web.template_data import bounded
from tests.unit.gateway.rendering.costs import BYTES, CPU_SECONDS, best
from tests.unit.gateway.rendering.hostile_templates import DATA, DIGITS, digits, templates

SAID: set[str] = set()
OF_DIGITS = set(digits())
TEMPLATES = [*dict.fromkeys(templates()), *digits()]


def test_the_data_is_what_a_request_may_have() -> None:
    for data in (DATA, DIGITS):
        assert bounded(data) == data


def cost(source: str, *, escaped: bool) -> float:
    """CPU seconds of parsing and rendering it, whether it can be or not."""
    noting_what_is_missing()
    begin()
    began = time.thread_time()
    try:
        text = Text(source, escaped=escaped)
        begin()
        data = DIGITS if source in OF_DIGITS else DATA
        text.render({**data, "data": data, "recipient": {}})
    except ValueError as error:
        SAID.add(str(error))
    return time.thread_time() - began


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """Babel's data of a locale is read once a process."""
    person.set(person_of(["de-AT"], "Europe/Vienna"))
    for source in (
        "{{ 1 | date: 'full' }}{{ 1 | datetime: 'full' }}",
        "{{ 1 | money: 'EUR' }}{{ 1 | plural: other: 'x' }}",
    ):
        cost(source, escaped=False)


def test_there_are_two_hundred() -> None:
    assert len(TEMPLATES) >= 200


@pytest.mark.parametrize("number", range(len(TEMPLATES)))
def test_it_costs_little(number: int) -> None:
    person.set(person_of(["de-AT"], "Europe/Vienna"))
    for escaped in (False, True):
        seconds = best(partial(cost, TEMPLATES[number], escaped=escaped))
        assert seconds <= CPU_SECONDS, TEMPLATES[number][:200]


@pytest.mark.parametrize("part", range(8))
def test_it_takes_little_memory(part: int) -> None:
    """Traced, it takes several times as long: the time is not looked at."""
    person.set(person_of(["de-AT"], "Europe/Vienna"))
    for source in TEMPLATES[part::8]:
        tracemalloc.start()
        try:
            cost(source, escaped=True)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= BYTES, source[:200]


def test_no_error_repeats_what_the_data_holds() -> None:
    person.set(person_of(["en"], None))
    for source in TEMPLATES:
        cost(source, escaped=False)
    assert not [said for said in SAID if "ababab" in said or len(said) > 2000]


def busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_what_goes_into_collecting_garbage_is_not_the_templates() -> None:
    """A large process takes longer to look through than a rendering may. It has its time once more, and no more."""
    begin()
    busy(2 * template_limits.CPU_SECONDS)
    gc.collect()
    check_time()
    busy(2 * template_limits.CPU_SECONDS)
    gc.collect()
    with pytest.raises(OverLimit):
        check_time()


def test_without_that_it_has_its_time_once() -> None:
    begin()
    check_time()
    gc.disable()
    try:
        busy(2 * template_limits.CPU_SECONDS)
        with pytest.raises(OverLimit):
            check_time()
    finally:
        gc.enable()
