"""Which parts a Discord message may have."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.channels import content
from shared.channels.text_checks import json_bytes, one_line

# https://docs.discord.com/developers/resources/message#embed-object-embed-limits
MOST_EMBEDS = 10
LONGEST_EMBEDS = 6000  # characters of all texts in them
_LONGEST = {"title": 256, "description": 4096}
_NAMED = {"author": ("name", 256), "footer": ("text", 2048)}
_MOST_FIELDS = 25
_EMBED = frozenset(
    {"title", "type", "description", "url", "timestamp", "color", "footer", "image", "thumbnail", "author", "fields"}
)
_FORBIDDEN = ("clyde", "discord")  # https://docs.discord.com/developers/resources/user#usernames-and-nicknames


_PICTURES = ("image", "thumbnail")
_WHITEST = 0xFFFFFF


def _embed(embed: dict[str, Any]) -> dict[str, Any]:
    json_bytes(embed)
    if unknown := embed.keys() - _EMBED:
        raise ValueError(f"{min(unknown)[:40]} is no field of an embed")
    if not any(embed.get(name) for name in ("title", "description", "fields", *_PICTURES, "author", "footer")):
        raise ValueError("an embed must have a title, a description, fields or an image")
    texts = [(name, embed[name], longest) for name, longest in _LONGEST.items() if name in embed]
    for name, (part, longest) in _NAMED.items():
        if name in embed:
            inner = embed[name]
            texts.append((f"{name}.{part}", inner.get(part) if isinstance(inner, dict) else None, longest))
    for place, text, longest in texts:
        if not isinstance(text, str) or not 0 < len(text.strip()) <= longest:
            raise ValueError(f"{place} must be a text of at most {longest} characters")
    for place, url in [("url", embed.get("url", "https://")), *((name, _url_of(embed, name)) for name in _PICTURES)]:
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise ValueError(f"{place} must have an https:// or http:// URL")
    color = embed.get("color", 0)
    if type(color) is not int or not 0 <= color <= _WHITEST:
        raise ValueError(f"color must be a whole number from 0 to {_WHITEST}")
    fields = embed.get("fields", [])
    if not isinstance(fields, list) or len(fields) > _MOST_FIELDS or not all(map(_is_field, fields)):
        raise ValueError(
            f"fields must be at most {_MOST_FIELDS}, each with a name (256 characters) and a value (1,024)"
        )
    return embed


def _url_of(embed: dict[str, Any], name: str) -> Any:
    picture = embed.get(name, {"url": "https://"})
    return picture.get("url") if isinstance(picture, dict) else None


def _is_field(field: Any) -> bool:
    if not isinstance(field, dict):
        return False
    name, value = field.get("name"), field.get("value")
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and 0 < len(name.strip()) <= 256
        and 0 < len(value.strip()) <= 1024
    )


def _username(name: str) -> str:
    if not name.strip() or any(word in one_line(name).casefold() for word in _FORBIDDEN):
        raise ValueError("must not be blank, nor contain clyde or discord")
    return name


def _characters(value: Any) -> int:
    """Of all texts in it but links."""
    if isinstance(value, dict):
        return sum(
            _characters(each) for name, each in value.items() if name not in {"url", "icon_url", "type", "timestamp"}
        )
    if isinstance(value, list):
        return sum(map(_characters, value))
    return len(value) if isinstance(value, str) else 0


Embed = Annotated[dict[str, Any], AfterValidator(_embed)]
Username = Annotated[str, StringConstraints(min_length=1, max_length=80), AfterValidator(_username)]


class Content(content.Content):
    """The parts of a Discord message. Its text may have Discord's markdown; nobody is mentioned by it."""

    escapes: ClassVar[Mapping[str, Literal["html", "angles"]]] = {}

    embeds: Annotated[list[Embed], Field(min_length=1, max_length=MOST_EMBEDS)] | None = Field(
        default=None, description="Discord's embeds, below the message."
    )
    username: Username | None = Field(default=None, description="In the place of the webhook's own name.")

    @model_validator(mode="after")
    def _embeds_are_not_too_long(self) -> Self:
        if self.embeds is not None and _characters(self.embeds) > LONGEST_EMBEDS:
            raise ValueError(f"embeds must have at most {LONGEST_EMBEDS} characters together")
        return self
