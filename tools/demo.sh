#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The demo: the offline API, the example project for 20 seconds, ten rows of its table.
set -uo pipefail
millrace=$(realpath "$1")
seconds=${DEMO_SECONDS:-20}
folder=$(mktemp -d /tmp/millrace-demo.XXXXXX)
api=
end() {
    [ -n "$api" ] && kill "$api" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$folder"
}
trap end EXIT

echo "== the API: millrace mock-api"
"$millrace" mock-api --listen 127.0.0.1:0 >"$folder/api.log" 2>&1 &
api=$!
for _ in $(seq 100); do
    port=$(sed -n 's|.*http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$folder/api.log")
    [ -n "$port" ] && break
    sleep 0.05
done
[ -n "$port" ] || { cat "$folder/api.log"; exit 1; }
cat "$folder/api.log"

echo "== the project: examples/random-users"
cp -r examples/random-users "$folder/users"
# The demo takes a free port and asks the API as fast as it answers.
sed -i 's|127.0.0.1:8080|127.0.0.1:0|; s|every: 1s|every: 50ms|' "$folder/users/millrace.yml"
export DATASOURCE_URL="${DATASOURCE_URL:-http://127.0.0.1:$port/api/}"
"$millrace" run "$folder/users" --for "${seconds}s"
code=$?

echo
echo "== ten rows: SELECT * FROM spark_streams.created_users LIMIT 10"
"$millrace" sql -C "$folder/users" \
    -e 'SELECT id, first_name, last_name, address, post_code, email, dob FROM spark_streams.created_users LIMIT 10' || code=1
"$millrace" doctor -C "$folder/users" || code=1
exit $code
