"""`python -m cove.agent`: the agent in the foreground."""

import contextlib
import os
import sys

# glibc keeps what was freed for the next time: the more, the larger it once was, and apart for each
# thread. Of an agent that collects 1,000 lines a second that is 5 MB. With these limits what is
# freed goes back, but for what a search needs again and again: without that it would take half as
# long again. glibc reads them when a process begins (mallopt(3)), so this one begins once more.
MALLOC = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "2097152",
}

if __name__ == "__main__":
    # A loader may erase what it does not trust: only the mark says that this was done.
    if os.environ.pop("COVE_BEGUN", "") != "1":
        begun = {**MALLOC, **os.environ, "COVE_BEGUN": "1"}
        with contextlib.suppress(OSError):
            os.execve(sys.executable, sys.orig_argv, begun)  # noqa: S606 - itself

    from cove.agent.main import main

    main()
