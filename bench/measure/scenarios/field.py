"""A field: the rivals of one comparison, all of them alive while it lasts."""

import contextlib

from measure.machine import say


def available(candidates, skipped, options):
    """Those that the machine has: `candidates` are classes with what makes one; the others are named in `skipped`, and aloud."""
    found = []
    for kind, name, make in candidates:
        reason = kind.missing(options)
        if options.only and name not in options.only and not kind.is_pando:
            continue
        if reason:
            say(f"SKIPPED: {kind.title or name}: {reason}")
            skipped[kind.title or name] = reason
        else:
            found.append(make())
    return found


@contextlib.contextmanager
def started(rivals, versions):
    """Starts them, one beside the other, and notes their versions by their titles."""
    with contextlib.ExitStack() as stack:
        for rival in rivals:
            stack.enter_context(rival)
            versions[rival.name] = {"title": rival.title, "version": rival.version()}
        yield rivals
