"""`python -m cove.agent`: the agent in the foreground."""

import os
import sys

# glibc keeps what was freed for the next time, the more the larger it was: 5 MB of an agent that
# collects 1,000 lines a second. Named, its limits stay where they are, and what is freed goes back
# (mallopt(3)). It reads them when a process begins, so this one begins once more.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "MALLOC_ARENA_MAX": "1",
}

if __name__ == "__main__":
    if not MALLOC.keys() <= os.environ.keys():
        os.execve(sys.executable, sys.orig_argv, {**MALLOC, **os.environ})  # noqa: S606 - itself

    from cove.agent.main import main

    main()
