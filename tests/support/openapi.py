"""Checks answers of the REST API against docs/api/openapi.yaml, and messages of the
WebSocket API against docs/api/websocket.yaml.

Without PyYAML and jsonschema (Debian's python3-yaml and python3-jsonschema) nothing
can be checked, which is an error here and not a reason to skip.
"""

import json
import os
import re

import jsonschema
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def load(name):
    with open(os.path.join(ROOT, "docs", "api", name), encoding="utf-8") as file:
        return yaml.safe_load(file)


class Document:
    """An OpenAPI document whose answers can be looked up."""

    def __init__(self, document):
        self.document = document
        self.routes = []
        for template, operations in document["paths"].items():
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template) + r"\Z")
            self.routes.append((template.count("{"), pattern, template, operations))
        self.routes.sort(key=lambda route: route[0])  # literal segments go before names

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def find(self, method, path):
        """The operation of a request, or None for what the document does not know."""
        for _, pattern, template, operations in self.routes:
            if pattern.match(path.split("?")[0]):
                method = "get" if method == "HEAD" else method.lower()
                return template, operations.get(method)
        return None, None

    def complaint(self, method, path, status, headers, body):
        """What is wrong with an answer; None when nothing is."""
        content_type = headers.get("Content-Type", "")
        template, operation = self.find(method, path)
        if operation is None:
            # Routes that do not exist answer as errors do everywhere.
            if status < 400:
                return f"{method} {path} answered {status} and is not in the document"
            answer = self.document["components"]["responses"]["Error"]
        else:
            answers = operation["responses"]
            answer = self.resolve(answers.get(str(status)) or answers["default"])
            if str(status) not in answers and status < 400:
                return f"{method} {template} answered {status}, of which the document says nothing"
        for name, header in answer.get("headers", {}).items():
            schema = jsonschema.Draft202012Validator(header["schema"])
            value = headers.get(name)
            # Headers are texts; some that we describe are numbers.
            if value is not None and header["schema"].get("type") == "integer":
                value = int(value) if value.isdigit() else None
            if value is None or not schema.is_valid(value):
                return f"{method} {path} answered {status} with {name} {value!r}"
        if method == "HEAD":
            return None
        if "content" not in answer:
            return f"{method} {path} answered {status} with a body" if body else None
        content = answer["content"].get(content_type.split(";")[0].strip())
        if content is None:
            return f"{method} {path} answered {status} with {content_type}"
        if not content_type.startswith("application/json"):
            return None if body else f"{method} {path} answered {status} with an empty picture"
        schema = {**content["schema"], "components": self.document["components"]}
        try:
            jsonschema.Draft202012Validator(schema).validate(json.loads(body))
        except (ValueError, jsonschema.ValidationError) as error:
            return f"{method} {path} answered {status} with what the document forbids: {error}"
        return None


class Messages:
    """What the WebSocket API may send."""

    def __init__(self, document, rest):
        self.document = document
        schemas = {**rest["components"]["schemas"], **document["schemas"]}
        self.components = {"schemas": schemas}

    def complaint(self, message):
        """What is wrong with a message, as parsed; None when nothing is."""
        body = {name: value for name, value in message.items()
                if name not in ("command", "requestId", "responseId")}
        schema = self.document["error"]
        # An error may come from an execution that failed, which has more to tell.
        if set(body) != {"error"}:
            command = self.document["commands"].get(message.get("command"))
            if command is None:
                return f"a message of no command: {message}"
            schema = command["answer"]
        schema = {**schema, "components": self.components}
        try:
            jsonschema.Draft202012Validator(schema).validate(body)
        except jsonschema.ValidationError as error:
            return f"an answer to {message.get('command')} that the document forbids: {error}"
        return None


REST = Document(load("openapi.yaml"))
WEBSOCKET = Messages(load("websocket.yaml"), REST.document)
