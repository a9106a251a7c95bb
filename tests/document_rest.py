"""`python -m tests.document_rest`: write docs/reference/rest.md from docs/openapi.json.

``--check`` only says whether the page is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.docs import written

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reference" / "rest.md"

_INTRO = """\
# REST API
<!-- Written by `make docs` from docs/openapi.json: change the viewer's table of routes. -->

The viewer answers programs under `/api/v1`. A running viewer serves its own description at
`/api/v1/openapi.json`; [the same document](../openapi.json) is kept here. {description}

Programs send `Authorization: Bearer TOKEN` ([who may look](../how-to/viewer.md#who-may-look)). Errors are
problems ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). {errors}.
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    return written.run(
        "tests.document_rest",
        __doc__,
        PAGE,
        lambda: page(json.loads((DOCS / "openapi.json").read_text())),
        arguments,
    )


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    first = next(iter(next(iter(document["paths"].values())).values()))
    errors = first["responses"]["default"]["description"]
    parts = [_INTRO.format(description=document["info"]["description"], errors=errors)]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(f"\n## {method.upper()} {path}\n{operation['summary']}.\n")
            if operation.get("parameters"):
                parts.append("\n| parameter | in | type | meaning |\n|---|---|---|---|\n")
                parts.extend(_parameter(parameter) for parameter in operation["parameters"])
            if body := operation.get("requestBody"):
                parts.append(f"\nBody: {', '.join(f'`{kind}`' for kind in body['content'])}.\n")
            parts.append(f"\nAnswers: {_answers(operation['responses'])}.\n")
    return "".join(parts)


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    meaning = parameter.get("description") or _described(schema)
    required = ", required" if parameter.get("required") else ""
    cells = f"`{parameter['name']}`", parameter["in"], _type(schema) + required, meaning
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _described(schema: dict[str, Any]) -> str:
    options = schema.get("anyOf", [schema])
    return next((str(option["description"]) for option in options if "description" in option), "")


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"any number of: {_type(schema['items'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = f" {low}..{high}" if low is not None and high is not None and high < 2**53 - 1 else ""
    default = f", default `{schema['default']}`" if schema.get("default") is not None else ""
    return str(schema.get("type", "any")) + bounds + default


def _answers(responses: dict[str, Any]) -> str:
    said = []
    for status, response in responses.items():
        if status == "default":  # the page's beginning says it
            continue
        kinds = [kind for kind in response.get("content", {}) if kind != "application/problem+json"]
        said.append(f"{status} ({', '.join(f'`{kind}`' for kind in kinds)})" if kinds else status)
    return ", ".join(said)


if __name__ == "__main__":
    sys.exit(main())
