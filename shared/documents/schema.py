"""`python -m shared.documents.schema`: write the contract's documents into ``docs/``, from its code.

One JSON Schema a message type, one AsyncAPI document, and the tables of ``reference/wire.md``; ``--check``
only reports which are stale.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

import msgspec
import orjson

from shared import log
from shared.documents import asyncapi, wire_tables
from shared.errors import ConfigError, DarnerError
from shared.wire import topics
from shared.wire.messages import NodeMessage, PictureName, Request

logger = logging.getLogger("darner.schema")

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCS = Path(__file__).resolve().parents[2] / "docs"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m shared.documents.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder (default %(default)s)")
    options = parser.parse_args(arguments)
    log.setup()
    try:
        stale = [(path, content) for path, content in documents(options.docs) if read(path) != content]
        abandoned = [
            path
            for path in (options.docs / "schemas").glob("*.schema.json")
            if path.name not in schema_names()
        ]
        if options.check:
            for path in [*(path for path, _ in stale), *abandoned]:
                logger.error("%s is stale; run: make docs", path)
            return 1 if stale or abandoned else 0
        for path, content in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            logger.info("wrote %s", path)
        for path in abandoned:
            path.unlink()
            logger.info("removed %s", path)
    except DarnerError as error:
        logger.error("%s", error)
        return error.exit_code
    return 0


def documents(docs: Path) -> list[tuple[Path, bytes]]:
    """Path and content of every generated file.

    Raises:
        ConfigError: The folder has no ``reference/wire.md`` to fill, or one whose marks cannot be read.
    """
    schemas = {row.name: json_schema(row.payload) for row in topics.TABLE if row.payload != "jpeg"}
    files = {schema_name(row.payload): schemas[row.name] for row in topics.TABLE if row.payload != "jpeg"}
    files[schema_name(PictureName)] = json_schema(PictureName)
    page = docs / "reference" / "wire.md"
    text = read(page)
    if text is None:
        raise ConfigError(f"{page}: is not there; run this in a checkout, or name its folder with --docs")
    examples = {row.name: example(docs, row.name) for row in topics.TABLE}
    return [
        *((docs / "schemas" / name, _json(schema)) for name, schema in sorted(files.items())),
        (docs / "asyncapi.json", _json(asyncapi.document(examples))),
        (page, wire_tables.fill(text.decode(), schemas, str(page)).encode()),
    ]


def schema_names() -> set[str]:
    """Names of the files in ``docs/schemas``."""
    kinds = {row.payload for row in topics.TABLE if row.payload != "jpeg"}
    return {schema_name(kind) for kind in (*kinds, PictureName)}


def schema_name(kind: type[NodeMessage | Request | PictureName]) -> str:
    """The file of a message type: "darner.camera-status/1" is in "camera-status.schema.json"."""
    return f"{asyncapi.wire_name(kind)}.schema.json"


def example(docs: Path, name: str) -> dict[str, Any] | None:
    """The captured message of a topic; None where none was captured."""
    content = read(docs / "examples" / f"{name}.json")
    if content is None:
        return None
    found: dict[str, Any] = orjson.loads(content)
    return found


def json_schema(kind: type[NodeMessage | Request | PictureName]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a message type, as it is on the wire."""
    schema = msgspec.json.schema(kind)
    for name, definition in schema["$defs"].items():
        plain_tuples(definition)
        # In one line, because only Python 3.13 and later remove the indentation of docstrings.
        definition["description"] = " ".join(definition["description"].split())
        properties = definition["properties"]
        if "schema" in properties:
            version = {"const": properties.pop("schema")["default"], "description": "Type and version"}
            definition["properties"] = {"schema": version, **properties}
        if name == kind.__name__ and kind is not Request:
            definition["required"].insert(0, "schema")  # its default is for code that builds messages
    return {"$schema": DIALECT, **schema}


def plain_tuples(node: Any) -> None:
    """Rewrite tuples of equal elements as arrays of a fixed length, in place.

    They say the same in a third of the lines. Readers of older drafts understand them, too; in those drafts
    ``items: false`` after ``prefixItems`` would refuse every array, and the length says the same.
    """
    if isinstance(node, dict):
        elements = node.get("prefixItems", [])
        if elements:
            node.pop("items", None)
        if elements and all(element == elements[0] for element in elements):
            del node["prefixItems"]
            node["items"] = elements[0]
        for child in node.values():
            plain_tuples(child)
    elif isinstance(node, list):
        for child in node:
            plain_tuples(child)


def read(path: Path) -> bytes | None:
    """A file's content; None when it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.exit(main())
