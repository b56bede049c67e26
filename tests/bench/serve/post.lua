-- SPDX-License-Identifier: MIT
-- wrk: one small event a request
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"user":"u1","event":"click","page":"/home","at":"2026-01-01T00:00:00.000Z","n":1}'
