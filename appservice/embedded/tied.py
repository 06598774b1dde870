"""A script: `tied.py PARENT MODULE [ARGUMENT ...]` is `python -m MODULE ...` that ends with its parent.

The child does it, as a `preexec_fn` would fork a process with threads, which Python 3.12 warns of. The kernel
sends the signal when the thread that started the child is gone. Linux only; elsewhere the child just runs.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Tie, then become the module."""
    parent, module, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # it died before we got here
            sys.exit(1)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
