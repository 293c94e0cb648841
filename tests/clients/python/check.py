"""The smallest harness that does: checks run one after another, since later ones build on rows of earlier ones."""

import inspect
import traceback
from collections.abc import Callable

from postgrest.exceptions import APIError

CHECKS: list[Callable] = []


def check(function: Callable) -> Callable:
    """Registers a check; its name is the function's."""
    CHECKS.append(function)
    return function


def refused(query, code: str) -> APIError:
    """Executes a query that has to be refused with this code, and gives the error."""
    try:
        answer = query.execute()
    except APIError as error:
        assert error.code == code, f"expected {code}, got {error!r}"
        assert error.message
        return error
    raise AssertionError(f"expected {code}, got {answer!r}")


async def finish() -> int:
    """Runs everything, prints the closing line and gives the exit code."""
    failed = 0
    for function in CHECKS:
        try:
            outcome = function()
            if inspect.isawaitable(outcome):
                await outcome
        except Exception:
            failed += 1
            print(f"FAILED {function.__name__}\n{traceback.format_exc()}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0
