"""The operations a rollout is made of. Planners make them, the executor does them.

Each says what will be true after it, carries only data, and is safe to do twice: recovery repeats
or undoes an operation without knowing how far an earlier attempt came.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from cove.model.app import DEFAULT_NETWORK


class Operation(Struct, frozen=True, kw_only=True, tag=True):
    """One step with its reason. `cause` completes the sentence "… because …"."""

    cause: str = ""


class PrepareNetwork(Operation, frozen=True, kw_only=True):
    """One of the app's private networks exists."""

    subnet: str
    created: bool  # whether this rollout brings it into being
    name: str = DEFAULT_NETWORK
    internal: bool = False


class WriteProject(Operation, frozen=True, kw_only=True):
    """The app's Compose file describes exactly these releases.

    `companions` says which release each companion is defined by, the same before and after.
    """

    releases: tuple[int, ...]
    before: tuple[int, ...] = ()
    companions: dict[str, int] = field(default_factory=dict)


class ConvergeService(Operation, frozen=True, kw_only=True):
    """A companion runs as one release defines it, replaced in place if it did not.

    `releases` and `companions` are what the Compose file holds from now on; `before` is the
    release that defined the companion until now (0: there was none), `resting` whether it was
    stopped.
    """

    service: str
    release: int
    releases: tuple[int, ...]
    companions: dict[str, int]
    before: int = 0
    resting: bool = False
    restart: bool = False  # even if nothing of it has changed
    leave_running: bool = (
        False  # what of it runs stays as it is; what is missing or rests is started
    )
    settle: float = 0.0  # seconds it must stay up
    new_volumes: tuple[str, ...] = ()


class RunTask(Operation, frozen=True, kw_only=True):
    """A companion that others wait for has run to its end, without an error.

    `before` and `resting` as for ConvergeService: it may have been no task until now.
    """

    service: str
    release: int
    releases: tuple[int, ...]
    companions: dict[str, int]
    before: int = 0
    resting: bool = False
    new_volumes: tuple[str, ...] = ()


class RunBefore(Operation, frozen=True, kw_only=True):
    """A service's `before` command has run to its end in a one-off container, without an error.

    `releases` and `companions` are what the Compose file holds beside it; `limit` is in seconds.
    """

    service: str
    release: int
    releases: tuple[int, ...]
    companions: dict[str, int] = field(default_factory=dict)
    limit: float = 900.0
    new_volumes: tuple[str, ...] = ()


class StartRelease(Operation, frozen=True, kw_only=True):
    """The containers of a release run; the proxy sends them no requests yet.

    `named` are the services whose name nobody else answers to: siblings find them at once.
    """

    release: int
    new_volumes: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


class AwaitReady(Operation, frozen=True, kw_only=True):
    """The release answers its health check from outside its containers.

    `settle` is the least age in seconds its containers must reach without ending.
    """

    release: int
    settle: float = 0.0


class SwitchRoutes(Operation, frozen=True, kw_only=True):
    """The proxy has confirmed that the app's routes lead to this release."""

    release: int
    before: int = 0  # the release they led to
    hold: dict[str, str] = field(default_factory=dict)


class HoldRequests(Operation, frozen=True, kw_only=True):
    """Requests wait in the proxy at addresses nobody has yet, one per routed service."""

    release: int  # the one that serves now
    hold: dict[str, str]
    candidate: int = 0  # the one whose ports they wait at


class AdmitHeld(Operation, frozen=True, kw_only=True):
    """The release answers at the hold addresses too, so that waiting requests reach it."""

    release: int
    hold: dict[str, str]
    before: int = 0  # the release that rests meanwhile


class Drain(Operation, frozen=True, kw_only=True):
    """Requests in flight to a release have ended, or its drain time has passed.

    `watch` is a release that must stay alive meanwhile.
    """

    release: int
    watch: int = 0
    limit: float = 10.0


class ReleaseHold(Operation, frozen=True, kw_only=True):
    """No request uses the hold addresses any more, and nobody has them."""

    release: int
    hold: dict[str, str]
    limit: float = 10.0


class StopRelease(Operation, frozen=True, kw_only=True):
    """The containers of a release are stopped and kept."""

    release: int


class StopCompanions(Operation, frozen=True, kw_only=True):
    """The companions of a release are stopped and kept, each before those it depends on.

    `only` names some of them; all when it is empty.
    """

    release: int
    only: tuple[str, ...] = ()


class Confirm(Operation, frozen=True, kw_only=True):
    """The release is recorded as the live one. From here a rollout only goes forward."""

    release: int


class RetireRelease(Operation, frozen=True, kw_only=True):
    """The containers of a release are gone and its addresses free."""

    release: int


class PruneImages(Operation, frozen=True, kw_only=True):
    """Images no protected release needs are gone."""

    keep: int  # releases whose images stay


class StartStopped(Operation, frozen=True, kw_only=True):
    """The kept containers of a stopped release run again."""

    release: int


class WithdrawRoutes(Operation, frozen=True, kw_only=True):
    """The proxy has dropped the app's routes."""

    release: int


class RecordStopped(Operation, frozen=True, kw_only=True):
    """It is recorded whether the app shall stay down."""

    stopped: bool


class RemoveContainers(Operation, frozen=True, kw_only=True):
    """No container of the app exists."""


class RemoveVolumes(Operation, frozen=True, kw_only=True):
    """The app's volumes and their data are gone."""

    names: tuple[str, ...]


class RemoveNetwork(Operation, frozen=True, kw_only=True):
    """The app's networks are gone."""


class ForgetApp(Operation, frozen=True, kw_only=True):
    """Nothing is recorded or written of the app any more."""


AnyOperation = (
    PrepareNetwork
    | WriteProject
    | ConvergeService
    | RunTask
    | RunBefore
    | StartRelease
    | AwaitReady
    | SwitchRoutes
    | HoldRequests
    | AdmitHeld
    | Drain
    | ReleaseHold
    | StopRelease
    | StopCompanions
    | Confirm
    | RetireRelease
    | PruneImages
    | StartStopped
    | WithdrawRoutes
    | RecordStopped
    | RemoveContainers
    | RemoveVolumes
    | RemoveNetwork
    | ForgetApp
)


class Plan(Struct, frozen=True, kw_only=True):
    """What a rollout will do, in order.

    Before `pivot` (the index of the operation that commits) a failure undoes what was begun, in
    reverse; from it on the rollout only goes forward. -1: nothing is ever undone.
    """

    app: str
    operations: tuple[AnyOperation, ...]
    pivot: int
    release: int = 0  # the release it makes live; 0: none
    before: int = 0  # the release that serves meanwhile; 0: none
    notes: tuple[str, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Plan)


def encode(plan: Plan) -> bytes:
    """The plan as the journal keeps it."""
    return _encoder.encode(plan)


def decode(data: bytes) -> Plan:
    """The plan back from the journal; raises msgspec.DecodeError for anything else."""
    return _decoder.decode(data)
