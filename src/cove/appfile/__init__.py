"""The app file: from YAML text to `cove.model.app.App`, with every finding in its place.

Any layer above may import `load` and `references` from here, the CLI also `schema` and
`documentation`, and nothing else from the modules below.
`loading` is imported on use: the CLI wants `references` alone, and wants it cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cove.appfile.references import References, env_file_variables, references
from cove.appfile.server import ELSEWHERE, Server

if TYPE_CHECKING:
    from cove.model.app import App

__all__ = ["References", "Server", "env_file_variables", "load", "references"]

_NO_FILES: Final[Mapping[str, str]] = MappingProxyType({})


def load(
    text: str,
    *,
    name: str,
    env_files: Mapping[str, str],
    variables: Mapping[str, str],
    files: Mapping[str, str] = _NO_FILES,
    server: Server = ELSEWHERE,
) -> App:
    """Reads an app file into an App.

    `name` is how the file is called in errors: `shop.yml`, `shop/cove.yml`, `<stdin>` or
    `command line`; the app's own name comes from it where the file has none. `env_files` holds
    the texts of the files under `env_file`, by path as written; `files` those of configs, secrets
    and certificates; `variables` what `$NAME` stands for. Values that came from any of them are
    sensitive. Raises InvalidFile with every finding, as
    `shop.yml:7:3: routes[1].path: must start with "/"`, in `problems`.
    """
    from cove.appfile import loading  # noqa: PLC0415 - see above

    return loading.load(
        text,
        name=name,
        env_files=env_files,
        variables=variables,
        files=files,
        server=server,
    )
