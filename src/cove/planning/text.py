"""Operations in words, for plans and progress. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cove.model.app import DEFAULT_NETWORK
from cove.planning import operations as op


def _release(step: Any) -> str:
    return f"release {step.release}"


_TITLES: dict[type[op.Operation], Callable[[Any], str]] = {
    op.PrepareNetwork: lambda s: f"create the network {_named(s.name)}{s.subnet}",
    op.WriteProject: lambda s: "write the project with " + _listed(s.releases),
    op.ConvergeService: lambda s: (
        f"replace {s.service}"
        if s.before and not s.resting and not s.leave_running
        else f"start {s.service}"
    ),
    op.RunTask: lambda s: f"run {s.service} to its end",
    op.RunBefore: lambda s: f"run the before command of {s.service}",
    op.StartRelease: lambda s: f"start {_release(s)}",
    op.AwaitReady: lambda s: f"wait until {_release(s)} is ready",
    op.SwitchRoutes: lambda s: f"switch the routes to {_release(s)}",
    op.HoldRequests: lambda _: "hold new requests in the proxy",
    op.AdmitHeld: lambda s: f"let the held requests through to {_release(s)}",
    op.Drain: lambda s: f"drain {_release(s)}",
    op.ReleaseHold: lambda _: "end the hold",
    op.StopRelease: lambda s: f"stop {_release(s)}",
    op.StopCompanions: lambda _: "stop its companions",
    op.Confirm: lambda s: f"record {_release(s)} as live",
    op.RetireRelease: lambda s: f"remove the containers of {_release(s)}",
    op.PruneImages: lambda _: "remove images no release needs",
    op.StartStopped: lambda s: f"start {_release(s)} again",
    op.WithdrawRoutes: lambda _: "withdraw the routes",
    op.RecordStopped: lambda s: "record that it is " + ("stopped" if s.stopped else "running"),
    op.RemoveContainers: lambda _: "remove its containers",
    op.RemoveVolumes: lambda s: "delete the volumes " + ", ".join(s.names),
    op.RemoveNetwork: lambda _: "remove its networks",
    op.ForgetApp: lambda _: "forget the app",
}


def _named(network: str) -> str:
    if network == DEFAULT_NETWORK:
        return ""
    return f"{network[1:]} for siblings: " if network.startswith("_") else f"{network}: "


def _listed(releases: tuple[int, ...]) -> str:
    numbers = " and ".join(str(n) for n in releases)
    return f"release{'s' if len(releases) > 1 else ''} {numbers}"


def title(step: op.Operation) -> str:
    """What an operation does, as an imperative without a full stop."""
    return _TITLES[type(step)](step)


def render(plan: op.Plan) -> str:
    """The whole plan, one operation a line, with its cause; the pivot is marked."""
    lines = []
    for index, step in enumerate(plan.operations):
        mark = "*" if index == plan.pivot else " "
        because = f" because {step.cause}" if step.cause else ""
        lines.append(f"{index + 1:>2}{mark} {title(step)}{because}")
    return "\n".join([*lines, *(f"note: {note}" for note in plan.notes)])
