#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a C table of files: folder, path, content.

    embed.py OUT.c SYMBOL ROOT FILE...      FILE relative to ROOT, as FOLDER/path
"""
import sys

out, symbol, root, files = sys.argv[1], sys.argv[2], sys.argv[3], sorted(sys.argv[4:])
lines = ['/* Made by tools/gen/embed.py. */', '#include "cli/examples.h"', '']
rows = []
for number, name in enumerate(files):
    data = open(f'{root}/{name}', 'rb').read()
    folder, path = name.split('/', 1)
    lines.append(f'static const unsigned char file_{number}[] = {{')
    for i in range(0, len(data), 20):
        lines.append('    ' + ', '.join(str(b) for b in data[i:i + 20]) + ',')
    lines.append('    0};')
    rows.append(f'    {{"{folder}", "{path}", (const char *)file_{number}, {len(data)}}},')
lines += [f'const struct example_file {symbol}[] = {{', *rows, '    {0},', '};', '']
open(out, 'w').write('\n'.join(lines))
