"""Runs the named cases of a client and writes a line of JSON for each.

A suite calls case() on its functions and run() at its end. The environment says
which region is asked, as `meridian env` prints it, and RESULTS the file that
lines are added to."""

import json
import os
import sys
import time
import traceback

_cases = []
_operations = set()


def case(function):
    """Makes a function a case. Its name and underscores are the case's name."""
    _cases.append(function)
    return function


def asked(operation):
    """Says that the case that runs asked for an operation."""
    _operations.add(operation)


def run(client, version):
    """Runs all cases, or those with a word of the command line in their names,
    and exits: with 1 if one failed."""
    failed = 0
    for function in _cases:
        name = function.__name__.replace("_", " ")
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        _operations.clear()
        error = ""
        try:
            function()
        except Exception as e:  # whatever a client raises is the case's failure
            error = f"{type(e).__name__}: {e}"
            failed += 1
            print(f"FAIL {client}: {name}: {error}", file=sys.stderr)
            traceback.print_exc()
        _write(client, version, name, error)
    print(f"{client} {version}: {len(_cases)} cases, {failed} failed")
    sys.exit(1 if failed else 0)


def _write(client, version, name, error):
    if "RESULTS" not in os.environ:
        return
    result = {"client": client, "version": version, "case": name, "operations": sorted(_operations), "passed": not error, "error": error}
    with open(os.environ["RESULTS"], "a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")


def equal(got, want):
    """Fails the case unless both are equal."""
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def until(condition, what, seconds=60):
    """Waits until condition() is true, and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
