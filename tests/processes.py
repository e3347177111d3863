"""Child processes of tests that can be interrupted, however the tests were started."""

from __future__ import annotations

import signal


def accept_interrupts() -> None:
    """Let SIGINT end the process; give it to `subprocess.Popen` as ``preexec_fn``.

    A child inherits an ignored SIGINT, and a shell without job control ignores it in everything it starts in the
    background (``nohup make test &`` in a script). Python then installs no handler, so Ctrl-C would not end the child.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
