"""Read the command line, call the command, and say in one line what was wrong."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wasserflow import __version__
from wasserflow.cli.arguments import normalised, switches
from wasserflow.memory import keep_freed_memory


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `wasserflow`.

    Exit status: 0 done, 1 failed, 2 refused (bad input), 130 interrupted (Ctrl-C or SIGTERM).

    Args:
        arguments: the words after the program's name; those of the process if None.
    """
    # Here and not above, so that `wasserflow --help` is not kept waiting by what only a command needs.
    from jsonargparse import auto_cli

    from wasserflow.cli.commands import commands
    from wasserflow.cli.parser import Parser

    if arguments is None:
        keep_freed_memory()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings(), _sigterm_interrupts():
            warnings.showwarning = _once()
            found = commands(words)
            words = normalised(words, switches(found))
            auto_cli(
                found, args=words, as_positional=False, prog="wasserflow", version=__version__, parser_class=Parser
            )
    except BrokenPipeError:
        # Nobody reads on, as after `| head`; python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"wasserflow: {error}", file=sys.stderr)
        # A full disk is not what was asked for.
        raise SystemExit(1 if getattr(error, "errno", None) == errno.ENOSPC else 2) from error
    except (RuntimeError, MemoryError) as error:
        # torch has no class of its own for it on the CPU.
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        told = str(error).splitlines()[0] if str(error) else "no memory left"
        print(f"wasserflow: {told}; take a smaller --n or --batch-size", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        print(": ".join(["\nwasserflow: interrupted", *map(str, error.args)]), file=sys.stderr)
        raise SystemExit(130) from None


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM, by which schedulers end a run, keep what is finished as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    earlier = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier or signal.SIG_DFL)


def _once() -> Callable[..., None]:
    """Show a warning as a person reads it: without the line of code that gave it, and not again from another line."""
    said: set[str] = set()

    def say(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in said:
            said.add(str(message))
            print(f"note: {message}", file=sys.stderr)

    return say
