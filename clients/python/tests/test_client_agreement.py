"""The client and /openapi.json say the same. Whoever changes the API finds here what the client lacks."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import httpx
import pytest
from pydantic import BaseModel
from typing_extensions import get_type_hints as typed_dict_hints

from hark_client import models, requests
from hark_client.client import Client
from hark_client.models import words
from hark_client.operations import LEFT_OUT, NOTHING, OF_PROVIDERS, Operation, Paged
from hark_client.testing.hark import Hark

Document = Mapping[str, Any]

NAMES = {
    "AddedMembers": "AddedJson",
    "AuditHead": "HeadJson",
    "ApiKey": "KeyJson",  # pragma: allowlist secret
    "BroadcastPlan": "PlanJson",
    "BroadcastSample": "SampleJson",
    "ChannelVerdict": "VerdictJson",
    "DuplicatePair": "PairJson",
    "FieldError": "FieldError",
    "Happening": "EventJson",
    "ImportedSuppressions": "ImportedJson",
    "NewApiKey": "NewKeyJson",  # pragma: allowlist secret
    "ProblemDetails": "ProblemDetails",
    "RecipientList": "ListJson",
    "ScheduledWithIt": "ScheduledJson",
    "SuppressionEntry": "EntryJson",
    "Template": "functions__gateway__templates__schemas__TemplateJson",
    "UsedTemplate": "functions__gateway__notifications__schemas__TemplateJson",
}
"""The schemas of models whose names do not say it: another's is its own name and Json."""
BODIES = {
    "NotificationFields": "NotificationRequest",
    "BatchItem": "BatchItem",
    "CallerFields": "CallerRequest",
    "CallerLimits": "CallerChange",
    "RecipientFields": "RecipientRequest",
    "Addresses": "Addresses",
    "Content": "ContentByChannel",
    "EscalationStep": "EscalationStep",
    "QuietHours": "QuietHoursPart",
    "ReplayFilter": "ReplayFilterRequest",
    "TemplateChoice": "TemplateChoice",
}
"""The schemas of the typed dicts that are sent."""
NOT_SENT = {"RecipientFields": {"name"}}
"""What the path has already."""
KEY_IS_MADE = {"BatchItem": {"key"}}
"""What the API wants and the client makes."""
WORDS = (
    "AuditResult",
    "CallerKind",
    "CategoryClass",
    "DeliveryStatus",
    "DuplicateReason",
    "EndpointState",
    "NotificationStatus",
    "OperationState",
    "Outcome",
    "Scope",
    "SettingState",
    "SuppressionClass",
    "SuppressionReason",
    "Told",
    "Verdict",
)


def operations() -> Iterator[tuple[str, Any]]:
    """Each method of the client that is a call, by its name."""
    with Client("http://hark.test", "key") as client:
        for part, resource in vars(client).items():
            for name, method in vars(type(resource)).items():
                if isinstance(method, Operation | Paged) and method.endpoint is not None:
                    yield f"{part}.{name}", method


OPERATIONS = dict(operations())


@pytest.fixture(scope="module")
def document() -> Document:
    with Hark() as hark, httpx.Client(transport=hark.transport) as http:
        described: Document = http.get(f"{hark.url}/openapi.json").json()
        return described


def missing_operations(document: Document, ours: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What is only here, or only there."""
    theirs = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if not path.startswith(OF_PROVIDERS)
    }
    have = {(o.endpoint.method, o.endpoint.path) for o in ours.values()}
    return theirs ^ (have | set(LEFT_OUT))


def test_each_operation_is_the_clients_or_left_out(document: Document) -> None:
    assert missing_operations(document, OPERATIONS) == set()
    assert not {(o.endpoint.method, o.endpoint.path) for o in OPERATIONS.values()} & set(LEFT_OUT)


@pytest.mark.parametrize("name", OPERATIONS)
def test_without_an_operation_the_test_above_fails(document: Document, name: str) -> None:
    endpoint = OPERATIONS[name].endpoint
    without = {n: o for n, o in OPERATIONS.items() if o.endpoint.name != endpoint.name}
    assert missing_operations(document, without) == {(endpoint.method, endpoint.path)}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_takes_the_parameters_of_the_api(document: Document, name: str) -> None:
    method = OPERATIONS[name]
    described = document["paths"][method.endpoint.path][method.endpoint.method.lower()]
    theirs = {p["name"] for p in described.get("parameters", []) if p["in"] in {"path", "query"}}
    signature = inspect.signature(method.flow if isinstance(method, Operation) else method.sends)
    ours = {parameter.rstrip("_") for parameter in signature.parameters}
    assert theirs - ours - {"dry_run"} == set()
    header = {p["name"] for p in described.get("parameters", []) if p["in"] == "header"}
    assert not header or method.endpoint.takes_key


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_answers_with_the_models_of_the_api(document: Document, name: str) -> None:
    method = OPERATIONS[name]
    described = document["paths"][method.endpoint.path][method.endpoint.method.lower()]
    theirs = [answer for status, answer in described["responses"].items() if status < "300"]
    schemas = [content.get("schema", {}) for answer in theirs for content in answer.get("content", {}).values()]
    if isinstance(method, Paged) and method.answer is not str:
        pages = [document["components"]["schemas"][_name(s)]["properties"]["items"]["items"] for s in schemas]
        assert [_name(page) for page in pages] == [schema_of(method.answer)]
    elif method.answer in {NOTHING, str}:
        assert [_name(s) for s in schemas] == [""] * len(schemas)
    else:
        assert schema_of(method.answer) in [_name(s) for s in schemas]


def schema_of(model: type) -> str:
    return NAMES.get(model.__name__, f"{model.__name__}Json")


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


MODELS = [m for n, m in vars(models).items() if n in models.__all__ and n not in {"Answer", "Page"}]


def differences(document: Document, model: type[BaseModel]) -> set[tuple[str, bool]]:
    """The fields, and whether they are always there, in which a model and its schema differ."""
    schema = document["components"]["schemas"][schema_of(model)]
    theirs = {(name, name in schema.get("required", [])) for name in schema["properties"]}
    ours = {(field.alias or name, field.is_required()) for name, field in model.model_fields.items()}
    return theirs ^ ours


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_the_fields_of_its_schema(document: Document, model: type[BaseModel]) -> None:
    assert differences(document, model) == set()


@pytest.mark.parametrize("model", MODELS)
def test_with_a_field_more_or_less_the_test_above_fails(document: Document, model: type[BaseModel]) -> None:
    schema = document["components"]["schemas"][schema_of(model)]
    for name in schema["properties"]:
        rest = {field: value for field, value in schema["properties"].items() if field != name}
        changed = {"components": {"schemas": {schema_of(model): {**schema, "properties": rest}}}}
        assert {field for field, _ in differences(changed, model)} == {name}


def test_each_schema_that_is_answered_has_a_model(document: Document) -> None:
    schemas = document["components"]["schemas"]
    pages = {name for name in schemas if name.endswith("sJson") and "items" in schemas[name]["properties"]}
    pages |= {"CategoriesJson"}
    theirs = {name for name in schemas if name.endswith("Json")} - pages
    assert theirs == {schema_of(model) for model in MODELS} - {"FieldError", "ProblemDetails"}


def wanted(document: Document, name: str) -> set[tuple[str, bool]]:
    """The fields in which what is sent differs from its schema, and whether they have to be there."""
    schema = document["components"]["schemas"][BODIES[name]]
    required = set(schema.get("required", [])) - KEY_IS_MADE.get(name, set())
    fields = set(schema["properties"]) - NOT_SENT.get(name, set())
    body = getattr(requests, name)
    return {(f, f in required) for f in fields} ^ {(f, f in body.__required_keys__) for f in typed_dict_hints(body)}


@pytest.mark.parametrize("name", BODIES)
def test_what_is_sent_has_the_fields_of_its_schema(document: Document, name: str) -> None:
    assert wanted(document, name) == set()


def test_a_channels_content_has_its_parts(document: Document) -> None:
    parts = document["components"]["schemas"]["ContentByChannel"]["properties"]
    ours = typed_dict_hints(requests.Content)
    theirs = {channel: set(part["properties"]) for channel, part in parts.items()}
    assert theirs == {channel: set(typed_dict_hints(content)) for channel, content in ours.items()}
    (files,) = (option for option in parts["email"]["properties"]["attachments"]["anyOf"] if option["type"] == "array")
    assert set(files["items"]["properties"]) == set(typed_dict_hints(requests.AttachedFile))


@pytest.mark.parametrize(
    ("schema", "method", "sent_as"),
    [
        ("BroadcastRequest", "broadcasts.plan", {"list": "list_name", "dry_run": None, "plan": None}),
        ("CategoryRequest", "categories.put", {"class": "class_"}),
        ("EndpointRequest", "endpoints.put", {}),
        ("EventsReplayRequest", "endpoints.replay", {"from": "from_"}),
        ("RotationRequest", "endpoints.rotate", {}),
        ("ListRequest", "lists.put", {}),
        ("MembersRequest", "lists.add_members", {}),
        ("PauseRequest", "channels.pause", {}),
        ("PreviewRequest", "templates.preview", {}),
        ("RecallRequest", "templates.plan_recall", {"dry_run": None}),
        ("ReplayRequest", "dead_letters.plan_replay", {"filter": "wanted", "dry_run": None, "plan": None}),
        ("SuppressionRequest", "suppressions.put", {"class": "class_"}),
        ("TemplateRequest", "templates.publish", {}),
    ],
)
def test_a_body_of_parameters_has_the_fields_of_its_schema(
    document: Document, schema: str, method: str, sent_as: dict[str, str | None]
) -> None:
    """None: the method's name says it."""
    fields = document["components"]["schemas"][schema]["properties"]
    theirs = {sent_as.get(name, name) for name in fields} - {None}
    call = OPERATIONS[method]
    path = {part.strip("{}") for part in call.endpoint.path.split("/") if part.startswith("{")}
    ours = set(inspect.signature(call.flow).parameters) - {"self", "idempotency_key"} - path
    if "notification" in ours:
        ours = ours - {"notification"} | set(typed_dict_hints(requests.BroadcastFields))
    assert ours == theirs


@pytest.mark.parametrize("name", WORDS)
def test_the_words_are_those_of_the_api(document: Document, name: str) -> None:
    assert list(get_args(getattr(words, name))) == document["components"]["schemas"][name]["enum"]


def test_the_channels_that_hark_comes_with_are_known(document: Document) -> None:
    assert sorted(document["components"]["schemas"]["ChannelName"]["enum"]) == sorted(words.KNOWN_CHANNELS)
    assert set(typed_dict_hints(requests.Addresses)) == set(words.KNOWN_CHANNELS)


def test_which_words_are_pending_is_known() -> None:
    from shared.delivery.model import PENDING  # noqa: PLC0415 - the server's own, for this test alone

    assert {str(status) for status in PENDING} == words.PENDING


def test_each_repeated_operation_is_one_that_the_readme_names() -> None:
    """A new POST is not tried again by accident."""
    once = {name for name, o in OPERATIONS.items() if not o.endpoint.is_repeatable}
    assert once == {"dead_letters.replay", "callers.create", "callers.add_key"}
    keyed = {name for name, o in OPERATIONS.items() if o.endpoint.takes_key}
    assert keyed == {"notifications.send", "templates.recall", "endpoints.test", "endpoints.replay"}
    others = {name for name, o in OPERATIONS.items() if o.endpoint.method == "POST"} - once - keyed
    assert others == {
        *("notifications.cancel", "notifications.forecast", "batches.send", "broadcasts.plan", "broadcasts.begin"),
        *("recipients.erase", "suppressions.import_csv", "lists.add_members", "templates.preview"),
        *("templates.plan_recall", "operations.pause", "operations.resume", "operations.cancel"),
        *("dead_letters.plan_replay", "dead_letters.begin_replay", "channels.pause", "channels.resume"),
        "endpoints.rotate",
    }


def test_the_client_is_written_for_python_3_9() -> None:
    """Its testing is not: the gateway needs 3.11. Pydantic reads hints while it runs, so there is no `X | None`."""
    package = Path(requests.__file__).parent
    for module in [*package.glob("*.py"), *package.glob("[mr]*/*.py"), package / "testing" / "plugin.py"]:
        ast.parse(module.read_text(encoding="utf-8"), feature_version=(3, 9))
    for model in MODELS:
        assert get_type_hints(model)
    assert not any(" | " in str(field.annotation) for model in MODELS for field in model.model_fields.values())


def test_what_a_newer_gateway_adds_is_kept() -> None:
    happening = models.Happening.model_validate({"at": None, "channel": "pigeon", "code": "c", "text": "t", "new": 1})
    assert happening.model_extra == {"new": 1}
