"""What a mail may have besides its text: what is taken, what is made of it, and which field is named when it is not."""

import base64
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.email.attached_files import MOST_BYTES
from functions.email.channel import ContentSettings
from functions.email.content import Content
from functions.email.html_parts import LONGEST, MOST_ELEMENTS
from shared.delivery.model import Attachment

SETTINGS = ContentSettings({"billing": "Billing <billing@example.com>", "support": "help@example.com"})
COMMON = {"subject": "Deploy", "message": "for all"}


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def a_file(**changes: Any) -> dict[str, Any]:
    return {"name": "a.pdf", "type": "application/pdf", "data": base64_of(b"%PDF"), **changes}


def content(**own: Any) -> Content:
    return Content.model_validate(Content.merged(COMMON, own), context=SETTINGS)


def wrong(**own: Any) -> dict[str, str]:
    """What is said of each field."""
    with pytest.raises(ValidationError) as raised:
        content(**own)
    return {".".join(map(str, error["loc"])): error["msg"] for error in raised.value.errors()}


def test_the_text_of_html_is_made_from_it() -> None:
    made = content(html="<p>Hello <b>Alice</b>,</p><p>see <a href='https://a.test/?a=1&amp;b=2'>the order</a></p>")
    assert made.message == "Hello Alice,\n\nsee [the order](https://a.test/?a=1&b=2)"
    assert made.parts()["subject"] == "Deploy"


def test_a_message_of_its_own_is_the_text() -> None:
    assert content(html="<p>Hello</p>", message="own").parts() == {
        "subject": "Deploy",
        "message": "own",
        "html": "<p>Hello</p>",
    }


def test_without_html_the_common_message_is_the_text() -> None:
    assert content(reply_to="help@example.com").message == "for all"


def test_style_sheets_are_inlined_and_at_rules_stay() -> None:
    sheet = "p { color: red } @media (max-width: 600px) { p { color: blue } }"
    made = content(html=f"<html><head><style>{sheet}</style></head><body><p>Hi</p></body></html>").html
    assert made is not None
    assert '<p style="color: red;">Hi</p>' in made
    assert "@media" in made


def test_html_without_a_style_sheet_stays_as_it_is() -> None:
    html = "<P class=x style='color:red'>Größe &nbsp;<br>{{x}}<!--[if mso]><table><![endif]-->"
    assert content(html=html).html == html


def test_nothing_is_loaded_for_a_style_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    links = "<link rel=stylesheet href='file:///etc/passwd'><link rel=stylesheet href='http://127.0.0.1:9/x.css'>"
    made = content(html=f"<style>@import url(file:///etc/passwd); b {{color: red}}</style>{links}<b>Hi</b>").html
    assert made is not None
    assert '<b style="color: red;">Hi</b>' in made
    assert "root:" not in made


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("", "blank"),
        (" \n", "blank"),
        ("<p>a\x00</p>", "control characters"),
        ("<p>\ud800</p>", "surrogates"),
        ("ü" * (LONGEST // 2 + 1), "bytes"),
        ("<img src=x>" * 3, "give a message"),
        ("<style>p{color:red}</style>", "give a message"),
        ("<p>a&#27;[31mb</p>", "give a message"),
        ("<br>" * (MOST_ELEMENTS + 1), "elements"),
        ("<div>" * 15_000, "elements"),
    ],
)
def test_html_that_cannot_be_a_mail_is_named(html: str, said: str) -> None:
    assert said in wrong(html=html)["html"]


NOT = "*:not(x * * * * * *){b:c}"


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<style>b{color:red}</style>" + "<div>" * 15_000, "elements"),
        (f"<style>{NOT * 400}</style>" + "<i>" * 3_900, "too long"),
        (f"<style>*{{{''.join(f'--a{i}:x;' for i in range(1000))}}}</style>" + "<br>" * 3_900, ("too long", "inlined")),
        (f"<style>b{{background:url({'x' * 2_000})}}</style>" + "<b>x</b>" * 100, "bytes"),
    ],
)
def test_a_style_sheet_that_takes_too_long_or_grows_too_much_is_named(html: str, said: str | tuple[str, ...]) -> None:
    began = time.monotonic()
    answer = wrong(html=html, message="own")["html"]
    assert any(each in answer for each in ([said] if isinstance(said, str) else said))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("elements", [20, 1_000])
def test_small_and_large_html_are_inlined_alike(elements: int) -> None:
    """A large one in a process of its own."""
    sheet = "i { color: red } @media all { i { color: blue } } @import url(file:///etc/passwd);"
    made = content(html=f"<style>{sheet}</style>" + "<i>Größe 🚀</i>" * elements, message="own").html
    assert made is not None
    assert made.count('<i style="color: red;">Größe 🚀</i>') == elements
    assert "@media all" in made
    assert "root:" not in made


@pytest.mark.parametrize(
    "tag", ["<div>", "<b>", "<table><tr><td>", "<svg><g>", "<ul><li>", "<a x><p>", "<a><b><p></a></b>"]
)
def test_the_deepest_html_that_is_taken_ends_no_process(tag: str) -> None:
    elements = tag.count("<") - tag.count("</")
    html = "<style>i{color:red}</style>" + tag * ((MOST_ELEMENTS - 1) // elements) + "x"
    assert content(html=html, message="own").html


@given(st.text(alphabet=st.sampled_from("<>/styledivpb{}:;=\"'&#! -\n"), max_size=200))
def test_whatever_html_is_given_it_is_taken_or_named(html: str) -> None:
    places: list[Any] = []
    try:
        assert content(html=f"<style>b{{color:red}}</style>{html}").message.strip()
    except ValidationError as error:
        places = [each["loc"] for each in error.errors()]
    assert places in ([], [("html",)])


@pytest.mark.parametrize("html", [7, None, ["<p>"], {"a": 1}])
def test_html_is_a_text(html: object) -> None:
    if html is None:
        assert content(html=None).parts() == COMMON
    else:
        assert set(wrong(html=html)) == {"html"}


def test_a_sender_is_named_and_stays_a_name() -> None:
    assert content(**{"from": "billing"}).parts() == {**COMMON, "from": "billing"}
    said = wrong(**{"from": "sales"})["from"]
    assert "billing, support" in said
    assert "EMAIL_SENDERS" in said
    assert "example.com" not in said
    assert set(wrong(from_="billing")) == {"from_"}


def test_where_there_are_no_settings_no_sender_can_be_named() -> None:
    with pytest.raises(ValidationError, match="none here"):
        Content.model_validate({"message": "x", "from": "billing"})


@pytest.mark.parametrize("address", ["nobody", "a@b", "a@example.com\r\nBcc: b@example.com", "größe@example.com", 7])
def test_a_reply_goes_to_an_address(address: object) -> None:
    assert set(wrong(reply_to=address)) == {"reply_to"}


def test_the_host_of_a_reply_is_spelt_as_an_addresss_is() -> None:
    assert content(reply_to="Help@BÜCHER.example").reply_to == "Help@bücher.example"


def test_attachments_lie_beside_the_record() -> None:
    data = bytes(range(256))
    made = content(attachments=[a_file(data=base64_of(data)), a_file(name="Größe ✓.txt", type="Text/Plain")])
    assert made.parts()["attachments"] == [
        {"name": "a.pdf", "type": "application/pdf", "size": 256},
        {"name": "Größe ✓.txt", "type": "text/plain", "size": 4},
    ]
    assert made.files() == [
        Attachment("a.pdf", "application/pdf", data),
        Attachment("Größe ✓.txt", "text/plain", b"%PDF"),
    ]


def test_base64_may_be_folded() -> None:
    assert content(attachments=[a_file(data=base64.encodebytes(b"x" * 100).decode())]).files()[0].data == b"x" * 100


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *[({"name": name}, "name") for name in ("", " ", ".", "..", "a/b", "/etc/passwd", "..\\a", "C:\\a", "a\nb")],
        *[({"name": name}, "name") for name in ("a\r\nBcc: x", "a\0", "a\x1b", "a\tb", "a\u2028b", "x" * 256, 7)],
        *[({"type": kind}, "type") for kind in ("", "pdf", "a/b; name=c", "a/b/c", "a /b", "a/b\r\nX: y", "ü/x", 7)],
        *[({"type": kind}, "type") for kind in ("multipart/mixed", "message/rfc822", "x/" + "y" * 200)],
        *[({"data": data}, "data") for data in ("", "a", "====", "a_b-", "data:x,y", "YQ== YQ==", "ü", 7, None)],
        ({"extra": 1}, "extra"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(change: dict[str, Any], field: str) -> None:
    said = wrong(attachments=[a_file(), a_file(**change)])
    assert set(said) == {f"attachments.1.{field}"}


def test_a_file_needs_all_its_parts() -> None:
    assert set(wrong(attachments=[{}])) == {f"attachments.0.{name}" for name in ("name", "type", "data")}


def test_files_are_few_and_small_together() -> None:
    half = base64_of(bytes(MOST_BYTES // 2))
    assert content(attachments=[a_file(data=half)] * 2).files()
    assert len(content(attachments=[a_file()] * 5).files()) == 5
    assert "together" in wrong(attachments=[a_file(data=half), a_file(data=half), a_file()])["attachments"]
    assert set(wrong(attachments=[a_file()] * 6)) == {"attachments"}
    assert set(wrong(attachments=[a_file(data=base64_of(bytes(MOST_BYTES + 1)))])) == {"attachments.0.data"}
    assert set(wrong(attachments=[])) == {"attachments"}
