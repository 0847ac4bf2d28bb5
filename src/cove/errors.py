"""The one tree of errors; every layer may import it, and it imports nothing of cove.

CoveError
├── InvalidFile        what the user wrote cannot be meant            exit 2
├── Refused            understood, but not done; the old one serves   exit 3 (1 when nothing served)
├── RolloutFailed      tried, and undone                              exit 3 (1 when nothing served)
├── Locked             another rollout holds the app                  exit 5
├── NotFound           no such app, release or rollout                exit 2
├── PlatformError      Docker, Compose, the proxy or the disk failed  exit 1
├── Unreachable        no agent answers                               exit 4
└── Cancelled          the user asked to stop                         exit 130

Codes are stable: scripts may compare them. Messages are for people and may change.
"""

from __future__ import annotations

from typing import Any, ClassVar

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_KEPT_OLD = 3
EXIT_UNREACHABLE = 4
EXIT_LOCKED = 5
EXIT_BUG = 70  # EX_SOFTWARE of BSD's sysexits.h
EXIT_INTERRUPTED = 130  # 128 + SIGINT, the shell's convention


class CoveError(Exception):
    """Anything cove says to a person on purpose.

    `message` says what failed in one line; `hint` is the next command or change to make;
    `log` holds the last lines the container wrote; `problems` lists several findings at once.
    """

    code: ClassVar[str] = "error"
    exit_code: int = EXIT_FAILED

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        log: tuple[str, ...] = (),
        problems: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log = log
        self.problems = problems
        self.specific_code = code or self.code

    def as_dict(self) -> dict[str, Any]:
        """The error as it crosses the API and as `--json` prints it."""
        return {
            "code": self.specific_code,
            "message": self.message,
            "hint": self.hint,
            "log": list(self.log),
            "problems": list(self.problems),
            "exit_code": self.exit_code,
        }


class InvalidFile(CoveError):
    """An app file, or a command's arguments, that cannot be meant."""

    code = "invalid-file"
    exit_code = EXIT_USAGE


class NotFound(CoveError):
    """An app, release or rollout that does not exist."""

    code = "not-found"
    exit_code = EXIT_USAGE


class Refused(CoveError):
    """Understood but not begun, because it would harm what runs or cannot work."""

    code = "refused"
    exit_code = EXIT_KEPT_OLD


class RolloutFailed(CoveError):
    """A rollout that was begun and undone; whatever served before still serves."""

    code = "rollout-failed"
    exit_code = EXIT_KEPT_OLD


class Locked(CoveError):
    """Another rollout of the same app is under way."""

    code = "locked"
    exit_code = EXIT_LOCKED


class PlatformError(CoveError):
    """Docker, Compose, the proxy, the disk or the machine did not do its part."""

    code = "platform"
    exit_code = EXIT_FAILED


class Unreachable(CoveError):
    """No agent answered on its socket."""

    code = "unreachable"
    exit_code = EXIT_UNREACHABLE


class Cancelled(CoveError):
    """The user cancelled; everything begun was undone."""

    code = "cancelled"
    exit_code = EXIT_INTERRUPTED


class RemoteError(CoveError):
    """An error that the agent reported, rebuilt on the client's side with its own exit code."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(
            str(body.get("message", "the agent reported an error")),
            code=str(body.get("code", "error")),
            hint=str(body.get("hint", "")),
            log=tuple(str(line) for line in body.get("log", ())),
            problems=tuple(str(line) for line in body.get("problems", ())),
        )
        self.exit_code = int(body.get("exit_code", EXIT_FAILED))
