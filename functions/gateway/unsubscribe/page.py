"""The page as HTML: a button, the person's choices, and nothing that a browser would load or run."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from starlette.responses import HTMLResponse

from functions.gateway.unsubscribe.choices import Choice, View
from functions.gateway.unsubscribe.forms import AGAIN, CHOOSING, ONE_CLICK, WANTED, WAS, Pair, written
from functions.gateway.unsubscribe.texts import TEXTS, Notice
from functions.gateway.web.problem_details import RETRY_LATER
from shared.delivery.model import CategoryClass
from shared.people.unsubscribe_tokens import Unsubscribe

_STYLE = """
:root { color-scheme: light dark; --line: #8888; --button: #1a56b0 }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 34rem; font: 1.05rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin-top: 2.5rem; padding-top: 1.5rem; border-top: 1px solid var(--line) }
[role=status], [role=alert] { padding: .75rem 1rem; border: 1px solid var(--line); border-left: .4rem solid #2e7d32 }
[role=alert] { border-left-color: #b3261e }
button { font: inherit; font-weight: 600; min-height: 3rem; padding: .5rem 1.5rem; border: 2px solid var(--button);
  border-radius: .4rem; color: #fff; background: var(--button); cursor: pointer }
button.second { color: inherit; background: none }
button:focus-visible, input:focus-visible { outline: 3px solid #f0a500; outline-offset: 2px }
fieldset { margin: 0 0 1rem; padding: .5rem 1rem; border: 1px solid var(--line); border-radius: .4rem }
legend { font-weight: 600; padding: 0 .3rem; overflow-wrap: anywhere }
label { display: inline-flex; align-items: center; min-height: 2.75rem; margin-right: 1.5rem }
label.locked { opacity: .6 }
input[type=checkbox] { width: 1.3rem; height: 1.3rem; margin: 0 .6rem 0 0 }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # its address is what opens it
    "X-Robots-Tag": "noindex, nofollow",
}


def choices_page(about: Unsubscribe, token: str, view: View, language: str, done: Notice | None = None) -> HTMLResponse:
    texts = TEXTS[language]
    marketing = about.category_class is CategoryClass.MARKETING
    lines = [f"<h1>{escape(view.what)}</h1>"]
    if done is not None:
        lines.append(f'<p role="status">{escape(texts.of(done))}</p>')
    if view.stopped:
        lines.append(_paragraph(texts.stopped_service if view.alone or not marketing else texts.stopped_marketing))
    if not view.stopped or (view.alone and marketing):
        lines.append(_paragraph(texts.stop_marketing if marketing else texts.stop_service))
        lines += _form(token, [ONE_CLICK], [], texts.unsubscribe)
    if view.unsubscribed:
        lines += [] if view.stopped else [_paragraph(texts.stopped_others)]
        lines += _form(token, [AGAIN], [], texts.again, second=True)
    if view.choices:
        lines += [f"<h2>{escape(texts.choices)}</h2>", _paragraph(texts.ticked)]
        if any(choice.locked for choice in view.choices):
            lines.append(_paragraph(texts.locked))
        was = [(WAS, written(choice.pair)) for choice in view.choices if choice.wanted and not choice.locked]
        lines += _form(token, [CHOOSING, *was], list(_fieldsets(view.choices)), texts.save)
    return _page(lines, language, 200)


def refusal_page(status: int, why: Notice, language: str) -> HTMLResponse:
    texts = TEXTS[language]
    lines = [f"<h1>{escape(texts.title)}</h1>", f'<p role="alert">{escape(texts.of(why))}</p>']
    return _page(lines, language, status, RETRY_LATER if status == 503 else {})


def _page(lines: Sequence[str], language: str, status: int, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    head = [
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="robots" content="noindex, nofollow"><meta name="referrer" content="no-referrer">',
        f"<title>{escape(TEXTS[language].title)}</title><style>{_STYLE}</style></head><body><main>",
    ]
    body = "\n".join([*head, *lines, "</main></body></html>\n"])
    return HTMLResponse(body, status, {**HEADERS, "Content-Language": language, **(headers or {})})


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _form(token: str, hidden: Sequence[Pair], lines: Sequence[str], button: str, *, second: bool = False) -> list[str]:
    # Relative, as the gateway may be below a path. A token has nothing that HTML would read.
    fields = [f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in hidden]
    kind = ' class="second"' if second else ""
    action = f'<form method="post" action="{token}">'
    return [action, *fields, *lines, f'<p><button type="submit"{kind}>{escape(button)}</button></p></form>']


def _fieldsets(choices: Sequence[Choice]) -> Iterator[str]:
    """One a category."""
    for _, group in groupby(choices, key=lambda choice: choice.pair[1]):
        mine = list(group)
        yield f"<fieldset><legend>{escape(mine[0].what)}</legend>"
        for choice in mine:
            state = (" checked" if choice.wanted else "") + (" disabled" if choice.locked else "")
            box = f'<input type="checkbox" name="{WANTED}" value="{escape(written(choice.pair))}"{state}>'
            locked = ' class="locked"' if choice.locked else ""
            yield f"<label{locked}>{box} {escape(choice.pair[0])}</label>"
        yield "</fieldset>"
