#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the recorded answers, one part after the other: all.sh RELEASE_DIR [PART].
#
# The answers lie in ../shared/oracle (MILLRACE_SHARED names another place for ../shared); where they
# are absent nothing is run and that is said. Each part leaves its report, a line a case, in
# RELEASE_DIR/oracle/PART.tsv. The status is that of the worst run: outcomes of cases do not count.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
parts='spark-parse sail-functions sail-scenarios spark-sql nexmark spark-streaming'

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: all.sh RELEASE_DIR [PART]" >&2
    exit 2
fi
release=$1
root=${MILLRACE_SHARED:-$here/../../../shared}/oracle
if [ ! -d "$root" ]; then
    echo "no recorded answers in $root; MILLRACE_SHARED names the folder above them"
    exit 0
fi
engine=$release/tools/oracle/millrace-oracle
if [ ! -x "$engine" ]; then
    echo "$engine is not built" >&2
    exit 1
fi
mkdir -p "$release/oracle" || exit 1

status=0
summary=
for part in ${2:-$parts}; do
    report=$release/oracle/$part.tsv
    text=$("$here/oracle-run" --part "$part" --root "$root" --fixtures "$root" \
        --engine "$engine" --report "$report")
    code=$?
    [ $code -gt $status ] && status=$code
    [ $# -eq 2 ] && printf '%s\n' "$text"
    summary=$summary$(printf '%s\n' "$text" | tail -n 1)'
'
done
echo "reports: $release/oracle"
printf '%s' "$summary"
exit $status
