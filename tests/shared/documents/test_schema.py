"""The generated documents: in step with the code, valid, and shown with messages that were really sent."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from shared.documents import asyncapi, schema
from shared.pictures import Header, is_whole_jpeg, read_header
from shared.wire import messages, topics
from shared.wire.picture_names import properties as named
from shared.wire.picture_names import read_name
from tests.conftest import REPO
from tests.shared.wire.test_messages import EXAMPLES

DOCS = REPO / "docs"
DOCUMENT: dict[str, Any] = orjson.loads((DOCS / "asyncapi.json").read_bytes())
JSON_ROWS = [row for row in topics.TABLE if row.payload != "jpeg"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of docs that a test may spoil."""
    for name in ("schemas", "examples"):
        shutil.copytree(DOCS / name, tmp_path / name)
    (tmp_path / "reference").mkdir()
    for name in ("asyncapi.json", "reference/wire.md"):
        shutil.copy(DOCS / name, tmp_path / name)
    return tmp_path


def test_the_documents_are_those_of_this_code() -> None:
    assert schema.main(["--check"]) == 0, "run: make docs"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        pytest.param("schemas/status.schema.json", "online", "on", id="a schema"),
        pytest.param("asyncapi.json", "Darner", "Another", id="the AsyncAPI document"),
        pytest.param("reference/wire.md", "| 1 | yes |", "| 0 | yes |", id="a table of the page"),
    ],
)
def test_a_stale_file_is_named_and_mended(
    copy: Path, capsys: pytest.CaptureFixture[str], file: str, before: str, after: str
) -> None:
    original = (copy / file).read_text()
    (copy / file).write_text(original.replace(before, after, 1))
    assert schema.main(["--check", "--docs", str(copy)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"{copy / file} is stale; run: make docs")
    assert schema.main(["--docs", str(copy)]) == 0
    assert (copy / file).read_text() == original


def test_the_schema_of_a_message_that_is_no_more_is_stale(copy: Path) -> None:
    old = copy / "schemas" / "old.schema.json"
    old.write_text("{}")
    assert schema.main(["--check", "--docs", str(copy)]) == 1
    assert old.exists()
    assert schema.main(["--docs", str(copy)]) == 0
    assert not old.exists()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(
            lambda page: page.replace("fields zone ", "fields zoone "), "zone, zoone", id="wrong mark"
        ),
        pytest.param(lambda _: "", "status", id="no marks"),
        pytest.param(None, "not there", id="no page"),
    ],
)
def test_a_page_without_its_marks_is_one_clear_error(
    copy: Path, capsys: pytest.CaptureFixture[str], spoil: Any, says: str
) -> None:
    page = copy / "reference" / "wire.md"
    if spoil:
        page.write_text(spoil(page.read_text()))
    else:
        page.unlink()
    assert schema.main(["--docs", str(copy)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_what_is_encoded_fits_the_published_schema_and_must_say_what_it_is(message: Any) -> None:
    published = orjson.loads((DOCS / "schemas" / schema.schema_name(type(message))).read_bytes())
    wire = orjson.loads(messages.encode(message))
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(wire, published)
    del wire["schema"]
    accepted = jsonschema.Draft202012Validator(published).is_valid(wire)
    assert accepted == isinstance(message, messages.Request)


@pytest.mark.parametrize("row", topics.TABLE, ids=lambda row: row.name)
def test_an_example_is_a_message_of_its_topic(row: topics.Topic) -> None:
    example = orjson.loads((DOCS / "examples" / f"{row.name}.json").read_bytes())
    found = topics.match(topics.DEFAULT_PREFIX, example["topic"])
    assert found is not None
    assert found[0] is row
    assert (example["qos"], example["retain"], example["expiry_s"]) == (row.qos, row.retain, row.expiry_s)
    if row.payload == "jpeg":
        properties = example["user_properties"]
        jsonschema.validate(properties, DOCUMENT["components"]["messages"][row.name]["headers"])
        picture = (DOCS / "examples" / example["payload_file"]).read_bytes()
        assert read_header(picture) == Header("jpeg", int(properties["width"]), int(properties["height"]))
        assert is_whole_jpeg(picture)
        assert example["content_type"] == "image/jpeg"
        said = read_name(picture)
        assert said is not None
        assert named(said) == properties
        published = DOCS / "schemas" / schema.schema_name(messages.PictureName)
        jsonschema.validate(dataclasses.asdict(said), orjson.loads(published.read_bytes()))
        return
    schema_of = orjson.loads((DOCS / "schemas" / schema.schema_name(row.payload)).read_bytes())
    jsonschema.validate(example["payload"], schema_of)
    message = messages.decode(row.payload, orjson.dumps(example["payload"]))
    assert orjson.loads(messages.encode(message)) == example["payload"], "nothing is lost or added"
    for name, value in found[1].items():
        assert getattr(message, name, value) == value


def nodes(value: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    """Every part of a document, with its place."""
    yield path, value
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nodes(inner, f"{path}/{key}")


def resolve(reference: str) -> Any:
    """What a reference points to; KeyError or FileNotFoundError when nothing is there."""
    file, _, pointer = reference.partition("#")
    target = orjson.loads((DOCS / file).read_bytes()) if file else DOCUMENT
    for step in pointer.strip("/").split("/") if pointer else ():
        target = target[step]
    return target


def test_every_reference_of_the_document_leads_somewhere() -> None:
    references = [
        value["$ref"] for path, value in nodes(DOCUMENT) if isinstance(value, dict) and "$ref" in value
    ]
    assert len(references) > 50
    for reference in references:
        assert resolve(reference)


def test_the_document_has_what_asyncapi_3_requires() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    known = {
        "asyncapi",
        "id",
        "info",
        "servers",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    assert DOCUMENT.keys() <= known
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= server.keys()
        assert set(re.findall("{(.+?)}", server["host"])) == server["variables"].keys()
    for group in ("servers", "channels", "operations"):
        assert all(re.fullmatch(r"[\w.-]+", name) for name in DOCUMENT[group])
    for path, value in nodes(DOCUMENT):
        if isinstance(value, dict) and "bindingVersion" in value:
            assert value["bindingVersion"] == "0.2.0", path
            assert not value.keys() - {
                *("qos", "retain", "messageExpiryInterval", "bindingVersion"),
                *("payloadFormatIndicator", "contentType", "lastWill"),
            }, path


@pytest.mark.parametrize("row", topics.TABLE, ids=lambda row: row.name)
def test_a_topic_is_a_channel_with_an_operation_that_says_what_is_promised(row: topics.Topic) -> None:
    channel = DOCUMENT["channels"][row.name]
    assert channel["address"] == f"{{prefix}}/{row.pattern}"
    assert set(re.findall("{(.+?)}", channel["address"])) == channel["parameters"].keys()
    (operation,) = (
        value
        for value in DOCUMENT["operations"].values()
        if value["channel"]["$ref"] == f"#/channels/{row.name}"
    )
    assert operation["action"] == ("receive" if row in topics.TO_NODES else "send")
    # A message of an operation must be one of its channel's.
    for message in operation["messages"]:
        assert message["$ref"].startswith(f"#/channels/{row.name}/messages/")
        assert resolve(message["$ref"])
    binding = operation["bindings"]["mqtt"]
    assert (binding["qos"], binding["retain"]) == (row.qos, row.retain)
    assert binding.get("messageExpiryInterval") == row.expiry_s
    message = DOCUMENT["components"]["messages"][row.name]
    assert message["contentType"] == ("image/jpeg" if row.payload == "jpeg" else "application/json")
    assert message["examples"]


def test_an_answer_goes_to_a_channel_without_an_address_of_its_own() -> None:
    reply = DOCUMENT["operations"]["receive_request"]["reply"]
    # AsyncAPI: beside a reply address that is known at run time only, the channel's must be null.
    assert reply["address"]["location"] == "$message.header#/responseTopic"
    assert resolve(reply["channel"]["$ref"])["address"] is None
    headers = DOCUMENT["components"]["messages"]["request"]["headers"]["properties"]
    assert {"responseTopic", "correlationData"} <= headers.keys()


def test_the_pictures_properties_accept_what_is_sent_and_nothing_else() -> None:
    assert all(
        re.search(asyncapi.PICTURE_PROPERTIES[name]["pattern"], value)
        for name, value in {"session": "6b02-a", "seq": "0", "captured_us": "1795312168202800"}.items()
    )
    assert not re.search(asyncapi.PICTURE_PROPERTIES["seq"]["pattern"], "-1")
