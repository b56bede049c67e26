# SPDX-License-Identifier: MIT
"""A few lines of TAP for programs that run inside a client's own environment."""
import sys
import traceback

count = 0
failed = 0


def ok(good, name, detail=None):
    global count, failed
    count += 1
    failed += not good
    print(f'{"ok" if good else "not ok"} {count} - {name}', flush=True)
    if not good and detail is not None:
        for line in str(detail).splitlines()[:40]:
            print(f'#   {line[:500]}', flush=True)
    return bool(good)


def short(value, most=300):
    text = repr(value)
    return text if len(text) <= most else f'{text[:most]} .. ({len(text)} characters)'


def equal(got, want, name):
    return ok(got == want, name, f'got  {short(got)}\nwant {short(want)}')


def run(*tests):
    """Each test by itself: one that raises is a failure, and the others still run."""
    for test in tests:
        try:
            test()
        except Exception:
            ok(False, f'{test.__name__} runs to its end', traceback.format_exc())
    print(f'1..{count}', flush=True)
    sys.exit(1 if failed or not count else 0)


async def run_async(*tests):
    for test in tests:
        try:
            await test()
        except Exception:
            ok(False, f'{test.__name__} runs to its end', traceback.format_exc())
    print(f'1..{count}', flush=True)
    return 1 if failed or not count else 0
