"""The API reference as a web page, written from the OpenAPI description; it asks no other host and runs no script."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

Json = Mapping[str, Any]

_STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#e3e6eb, #2a323e); --mute: light-dark(#5b6472, #97a3b4); }
body { font: 400 15px/1.5 Inter, system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; } h3 { margin: 2.2rem 0 .3rem; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .9em; }
pre { border: 1px solid var(--line); border-radius: 8px; padding: .8rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--mute); font-weight: 500; }
"""


def write_reference(description: Json) -> str:
    """The page for an OpenAPI description: its calls in their order, then the documents that they take and answer."""
    about = description["info"]
    calls = [
        _write_call(path, method, call, description)
        for path, methods in description["paths"].items()
        for method, call in methods.items()
    ]
    documents = [_write_document(name, schema) for name, schema in description["components"]["schemas"].items()]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{about["title"]} HTTP API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{about['title']} HTTP API</h1><p>{_prose(about['summary'])} "
        f'Version {about["version"]}; the same as <a href="v1/openapi.json">OpenAPI</a>.</p>'
        f"<main><h2>Calls</h2>{''.join(calls)}<h2>Documents</h2>{''.join(documents)}</main></body></html>"
    )


def _write_call(path: str, method: str, call: Json, description: Json) -> str:
    heading = f'<h3 id="{call["operationId"]}"><code>{method.upper()} {path}</code></h3>'
    prose = f"<p><strong>{_prose(call['summary'])}</strong></p><p>{_prose(call.get('description', ''))}</p>"
    answers = (
        (status, _prose(answer["description"]), _type(_schema_in(answer)))
        for status, answer in call["responses"].items()
    )
    return "".join(
        (
            heading,
            prose,
            _write_question(call),
            f"<pre>{html.escape(_curl(path, method, call, description))}</pre>",
            _table(("Status", "Meaning", "Document"), answers),
        )
    )


def _write_question(call: Json) -> str:
    """The body or the parameters of a call."""
    if "requestBody" in call:
        return f"<p>Body: {_type(_schema_in(call['requestBody']))}</p>"
    return _write_fields(
        {each["name"]: each["schema"] for each in call.get("parameters", [])},
        [each["name"] for each in call.get("parameters", []) if each["required"]],
    )


def _write_document(name: str, schema: Json) -> str:
    fields = _write_fields(schema.get("properties", {}), schema.get("required", []))
    values = "" if fields else f"<p>{_type(schema)}</p>"
    return f'<h3 id="{name}">{name}</h3><p>{_prose(schema.get("description", ""))}</p>{values}{fields}'


def _write_fields(fields: Mapping[str, Json], required: Iterable[str]) -> str:
    if not fields:
        return ""
    needed = set(required)
    rows = (
        (
            f"<code>{name}</code>",
            _type(schema),
            "required" if name in needed else f"<code>{html.escape(json.dumps(schema.get('default')))}</code>",
            _prose(schema.get("description", "")),
        )
        for name, schema in fields.items()
    )
    return _table(("Field", "Type", "Default", "Meaning"), rows)


def _curl(path: str, method: str, call: Json, description: Json) -> str:
    """A command that asks the call on the default address, with the examples of its fields."""
    address = f"http://127.0.0.1:8050{path}"
    if method == "post":
        body = shlex.quote(json.dumps(_example(_schema_in(call["requestBody"]), description), ensure_ascii=False))
        return f"curl -H 'Content-Type: application/json' -d {body} {address}"
    needed = (each for each in call.get("parameters", []) if each["required"])
    query = "&".join(f"{each['name']}={_example(each['schema'], description)}" for each in needed)
    return f"curl {shlex.quote(f'{address}?{query}')}" if query else f"curl {address}"


def _example(schema: Json, description: Json) -> Any:
    """An example of a value: the one its schema gives, or made of the fields that are required or have one."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return _example(description["components"]["schemas"][_name_of(schema)], description)
    required = schema.get("required", [])
    return {
        name: _example(given, description)
        for name, given in schema["properties"].items()
        if name in required or "examples" in given
    }


def _type(schema: Json) -> str:
    """The type of a value in words, with links to documents."""
    if "$ref" in schema:
        return f'<a href="#{_name_of(schema)}">{_name_of(schema)}</a>'
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return " or ".join(_type(each) for each in alternatives)
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if values:
        return " or ".join(f"<code>{html.escape(json.dumps(value))}</code>" for value in values)
    if schema.get("type") == "array":
        members = schema.get("prefixItems") or [schema.get("items", {})]
        return f"list of {', '.join(_type(each) for each in members)}"
    return str(schema.get("type", "any value"))


def _schema_in(part: Json) -> Json:
    schema: Json = next(iter(part["content"].values()))["schema"]
    return schema


def _name_of(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _prose(text: str) -> str:
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", html.escape(text))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
