#!/usr/bin/env python3
"""embed-openapi.py INPUT.yaml OUTPUT.cc: the REST API's document as JSON, in a C++
source that defines what server/openapi.h declares."""

import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    text = json.dumps(yaml.safe_load(file), separators=(",", ":"))
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write('#include "server/openapi.h"\n\nnamespace francine::server {\n\n'
               "const std::string_view kOpenApi =")
    for begin in range(0, len(text), 80):  # no piece may exceed what compilers promise
        file.write(f"\n    {json.dumps(text[begin:begin + 80])}")
    file.write(";\n\n}  // namespace francine::server\n")
