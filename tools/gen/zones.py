#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the time zones of the tz database as C tables: zones.py ZONEINFO_DIR OUTPUT.c

Reads TZif files of version 2 and later (RFC 8536). Names that are links, and zones of equal data,
share one row of rules. Transitions that change neither offset nor abbreviation go; those that the
POSIX rule of the footer adds are written out up to 2037, whether the file has them (a "fat" one)
or not. The structures are in base/zone_table.h.
"""
import calendar
import datetime
import os
import re
import struct
import sys

# Java's ZoneId.SHORT_IDS, which Spark accepts. EST, MST and HST are fixed offsets there.
SHORT_IDS = {
    'ACT': 'Australia/Darwin', 'AET': 'Australia/Sydney', 'AGT': 'America/Argentina/Buenos_Aires',
    'ART': 'Africa/Cairo', 'AST': 'America/Anchorage', 'BET': 'America/Sao_Paulo',
    'BST': 'Asia/Dhaka', 'CAT': 'Africa/Harare', 'CNT': 'America/St_Johns',
    'CST': 'America/Chicago', 'CTT': 'Asia/Shanghai', 'EAT': 'Africa/Addis_Ababa',
    'ECT': 'Europe/Paris', 'IET': 'America/Indiana/Indianapolis', 'IST': 'Asia/Kolkata',
    'JST': 'Asia/Tokyo', 'MIT': 'Pacific/Apia', 'NET': 'Asia/Yerevan', 'NST': 'Pacific/Auckland',
    'PLT': 'Asia/Karachi', 'PNT': 'America/Phoenix', 'PRT': 'America/Puerto_Rico',
    'PST': 'America/Los_Angeles', 'SST': 'Pacific/Guadalcanal', 'VST': 'Asia/Ho_Chi_Minh',
}
FIXED = {'EST': -5 * 3600, 'MST': -7 * 3600, 'HST': -10 * 3600}
RULE_FROM = 2038  # years from here on go by the rule
SKIP_DIRS = {'posix', 'right'}
SKIP_FILES = {'localtime', 'posixrules', 'Factory'}


def read_tzif(path):
    """([(time, offset, abbreviation)], first (offset, abbreviation), footer) or None."""
    with open(path, 'rb') as file:
        data = file.read()
    if data[:4] != b'TZif' or data[4:5] < b'2':
        return None

    def counts(at):
        return struct.unpack('>6I', data[at + 20:at + 44])

    isut, isstd, leap, times, types, chars = counts(0)
    at = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    isut, isstd, leap, times, types, chars = counts(at)
    at += 44
    when = struct.unpack(f'>{times}q', data[at:at + times * 8])
    at += times * 8
    which = data[at:at + times]
    at += times
    infos = [struct.unpack('>iBB', data[at + i * 6:at + i * 6 + 6]) for i in range(types)]
    at += types * 6
    text = data[at:at + chars]
    at += chars + leap * 12 + isstd + isut
    footer = data[at + 1:data.index(b'\n', at + 1)].decode()

    def kind(index):
        offset, _, start = infos[index]
        return offset, text[start:text.index(b'\0', start)].decode()

    transitions, last = [], kind(0)
    for time, index in zip(when, which):
        if kind(index) != last:
            last = kind(index)
            transitions.append((time, *last))
    return transitions, kind(0), footer


def parse_offset(text):
    sign = -1 if text.startswith('-') else 1
    parts = [int(p) for p in text.lstrip('+-').split(':')] + [0, 0]
    return sign * (parts[0] * 3600 + parts[1] * 60 + parts[2])


def parse_footer(text):
    """(std, dst or None, start, end): std is (offset, abbreviation), start (month, week, day, s)."""
    name = r'(<[^>]+>|[A-Za-z]+)'
    number = r'([-+]?[0-9:]+)'
    match = re.fullmatch(name + number + f'(?:{name}{number}?,([^,]+),([^,]+))?', text)
    if not match:
        raise SystemExit(f'zones.py: cannot read the rule {text!r}')
    std_name, std_offset, dst_name, dst_offset, start, end = match.groups()
    std = (-parse_offset(std_offset), std_name.strip('<>'))
    if not dst_name:
        return std, None, None, None
    dst = (-parse_offset(dst_offset) if dst_offset else std[0] + 3600, dst_name.strip('<>'))

    def rule(text):
        match = re.fullmatch(r'M(\d+)\.(\d)\.(\d)(?:/(.+))?', text)
        if not match:
            raise SystemExit(f'zones.py: cannot read the rule {text!r}')
        month, week, day, time = match.groups()
        return int(month), int(week), int(day), parse_offset(time) if time else 7200

    return std, dst, rule(start), rule(end)


def rule_time(rule, year, offset):
    month, week, day, seconds = rule
    first = (calendar.weekday(year, month, 1) + 1) % 7  # 0 = Sunday
    date = 1 + (day - first) % 7 + (week - 1) * 7
    while date > calendar.monthrange(year, month)[1]:
        date -= 7
    midnight = datetime.datetime(year, month, date, tzinfo=datetime.timezone.utc)
    return int(midnight.timestamp()) + seconds - offset


def extend(transitions, footer):
    """With those that the footer adds up to RULE_FROM: a table is faster than a rule."""
    std, dst, start, end = footer
    if not dst:
        return transitions
    last = transitions[-1][0] if transitions else -2**62
    events = []
    for year in range(1970, RULE_FROM):
        events.append((rule_time(start, year, std[0]), *dst))
        events.append((rule_time(end, year, dst[0]), *std))
    return transitions + sorted(event for event in events if event[0] > last)


def read_all(root):
    zones = {}
    for folder, dirs, files in os.walk(root):
        dirs[:] = sorted(d for d in dirs if not (folder == root and d in SKIP_DIRS))
        for file in sorted(files):
            path = os.path.join(folder, file)
            if file in SKIP_FILES or not file[0].isupper():
                continue
            zone = read_tzif(path)
            if zone:
                zones[os.path.relpath(path, root)] = zone
    for short, name in SHORT_IDS.items():
        zones[short] = zones[name]
    for short, offset in FIXED.items():
        zones[short] = ([], (offset, short), f'{short}{-offset // 3600}')
    return zones


class Table:
    """Rules of all zones, in flat arrays that rules point into."""

    def __init__(self):
        self.times, self.kinds, self.types, self.rules, self.known = [], [], [], [], {}

    def type_of(self, kind, used):
        if kind not in used:
            used.append(kind)
        return used.index(kind)

    def add(self, zone):
        transitions, first, footer = zone
        footer = parse_footer(footer)
        transitions = extend(transitions, footer)
        key = (tuple(transitions), first, footer)
        if key in self.known:
            return self.known[key]
        used = [first]
        kinds = [self.type_of(t[1:], used) for t in transitions]
        std, dst, start, end = footer
        std_type = self.type_of(std, used)
        dst_type = self.type_of(dst, used) if dst else std_type
        day = '{%d, %d, %d, %d}'
        self.rules.append('    {%d, %d, %d, %d, %d, %s, %s},' % (
            len(self.times), len(transitions), len(self.types), std_type, dst_type,
            day % (start or (0, 0, 0, 0)), day % (end or (0, 0, 0, 0))))
        self.times += [t[0] for t in transitions]
        self.kinds += kinds
        self.types += used
        self.known[key] = len(self.rules) - 1
        return self.known[key]


def wrapped(items, count):
    return [' ' * 4 + ' '.join(items[i:i + count]) for i in range(0, len(items), count)]


def main(root, output):
    zones = read_all(root)
    if len(zones) < 300:
        raise SystemExit(f'zones.py: {root} holds no tz database (Debian package tzdata)')
    table = Table()
    names = [(name.encode(), table.add(zones[name])) for name in zones]
    names.sort()
    lines = ['/* SPDX-License-Identifier: MIT */',
             '/* Written by tools/gen/zones.py from the tz database; not to be edited. */',
             '#include "base/zone_table.h"', '', 'const int64_t zone_times[] = {']
    lines += wrapped([f'{t}LL,' for t in table.times], 6)
    lines += ['};', 'const uint8_t zone_kinds[] = {']
    lines += wrapped([f'{k},' for k in table.kinds], 24)
    lines += ['};', 'const struct zone_type zone_types[] = {']
    lines += [f'    {{{offset}, "{name}"}},' for offset, name in table.types]
    lines += ['};', 'const struct zone_rules zone_rules[] = {'] + table.rules
    lines += ['};', 'const struct zone zone_names[] = {']
    lines += ['    {{"%s", %d}, &zone_rules[%d], 0},' % (name.decode(), len(name), rules)
              for name, rules in names]
    lines += ['};', f'const size_t zone_count = {len(names)};', '']
    with open(output, 'w') as file:
        file.write('\n'.join(lines))


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2])
