#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs.py MILLRACE: writes the reference pages that come from the program's own tables."""
import pathlib, subprocess, sys

def say(what):
    return subprocess.run([sys.argv[1], 'completion', what], capture_output=True, text=True, check=True).stdout

open('docs/configuration.md', 'w').write(say('configuration'))
open('docs/commands.md', 'w').write('# Commands\n\nMade from the program\'s own table of commands (`make docs`).\n' + say('docs'))
open('docs/api.md', 'w').write('''# HTTP API

On the `http` listener (127.0.0.1:8080). Answers are JSON; an error is `{"error": {"code", "message", "hint", "line",
"column"}}` with a matching status. Webhooks have the paths that their sources name. `GET /health` answers 200 while no
stream or source has failed, and log and tables take what comes; else 503 with the reason. Made from the program's table of routes (`make docs`).

| call | what |
|---|---|
''' + say('api'))

# Of this page only the table of requests is made, between its two markers.
PAGE = 'docs/kafka-compatibility.md'
BEGIN, END = '<!-- requests -->\n', '<!-- /requests -->\n'
page = pathlib.Path(__file__).parents[2].joinpath(PAGE).read_text()
before, rest = page.split(BEGIN)
rows = []
for line in sorted(say('kafka').splitlines(), key=lambda line: int(line.split()[0])):
    key, name, versions, *more = line.split(' ', 3)
    rows.append(f'| {key} | {name} | {versions}{" " + more[0] if more else ""} |\n')
with open(PAGE, 'w') as file:
    file.write(before + BEGIN + '| key | request | versions |\n|---|---|---|\n' + ''.join(rows) + END + rest.split(END)[1])
