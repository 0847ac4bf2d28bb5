"""Answers, streams and errors, the same for every endpoint. Imported inside `cove.agent.api`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from cove.errors import (
    EXIT_BUG,
    CoveError,
    InvalidFile,
    Locked,
    NotFound,
    PlatformError,
    Refused,
)
from cove.model.events import Rollout

_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_STATUS: Final[dict[type[CoveError], int]] = {
    InvalidFile: 422,
    NotFound: 404,
    Locked: 409,
    Refused: 409,
    PlatformError: 503,
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(body: Any, status: int = 200) -> web.Response:
    """A JSON body from structs and plain values."""
    return web.Response(body=_encoder.encode(body), status=status, content_type="application/json")


def failure(error: CoveError) -> web.Response:
    """An error as clients rebuild it."""
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
    return answer({"error": error.as_dict()}, status)


async def stream(
    request: web.Request, items: AsyncIterable[Any], *, final: bool = False
) -> web.StreamResponse:
    """One JSON document a line, until the source ends or the client goes. None: an empty line.

    What goes wrong is told in a last line, as `failure` would, if it is `final`; else only by a
    connection that breaks off, which clients take for a reason to ask again.
    """
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    try:
        await response.prepare(request)
        async for item in items:
            await response.write((b"" if item is None else _encoder.encode(item)) + b"\n")
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        _log.debug("a client went away from %s", request.path)
    except CoveError as error:
        _log.warning("%s: %s", request.path, error.message)
        await _end(request, response, error.as_dict() if final else None)
    except Exception as error:  # noqa: BLE001 - what has begun cannot become another answer
        _log.exception("%s %s", request.method, request.path)
        await _end(request, response, _bug(error).as_dict() if final else None)
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
    return response


async def _end(
    request: web.Request, response: web.StreamResponse, error: dict[str, Any] | None
) -> None:
    """Ends an answer that has begun and is not whole."""
    if error is None:
        if request.transport is not None:
            request.transport.abort()
        return
    with contextlib.suppress(ConnectionError, TimeoutError):
        await response.write(_encoder.encode({"error": error}) + b"\n")
        await response.write_eof()


def begun(rollout: Rollout) -> web.Response:
    """A rollout that goes on in the background."""
    return answer({"rollout": rollout}, 202)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in one shape; what cove did not foresee is a bug, logged and numbered as one."""
    try:
        return await handler(request)
    except CoveError as error:
        return failure(error)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        return failure(InvalidFile(f"the request is not understood: {error}", code="bad-request"))
    except web.HTTPRequestEntityTooLarge as error:
        refusal = InvalidFile("the request is larger than 4 MB", code="bad-request")
        return answer({"error": refusal.as_dict()}, error.status)
    except web.HTTPException as error:
        return failure(
            NotFound(f"{request.method} {request.path}: {error.reason}", code="no-route")
        )
    except Exception as error:  # noqa: BLE001 - the last resort: a bug becomes an answer and a log entry
        _log.exception("%s %s", request.method, request.path)
        return failure(_bug(error))


def _bug(error: Exception) -> CoveError:
    bug = CoveError(f"a bug in cove: {type(error).__name__}: {error}", code="bug")
    bug.exit_code = EXIT_BUG
    return bug
