"""The app file: from YAML text to `cove.model.app.App`, with every finding in its place.

Any layer above may import `load` and `references` from here, and nothing from the modules below.
`loading` is imported on use: the CLI wants `references` alone, and wants it cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cove.appfile.references import References, env_file_variables, references

if TYPE_CHECKING:
    from cove.model.app import App

__all__ = ["References", "env_file_variables", "load", "references"]


def load(
    text: str, *, name: str, env_files: Mapping[str, str], variables: Mapping[str, str]
) -> App:
    """Reads an app file of the short form into an App with one service, named as the app.

    `name` is how the file is called in errors: `shop.yml`, `shop/cove.yml`, `<stdin>` or
    `command line`; the app's own name comes from it where the file has none. `env_files` holds
    the texts of the files under `env_file`, by path as written; `variables` what `$NAME` stands
    for. Values that came from either are sensitive. Raises InvalidFile with every finding, as
    `shop.yml:7:3: routes[1].path: must start with "/"`, in `problems`.
    """
    from cove.appfile import loading  # noqa: PLC0415 - see above

    return loading.load(text, name=name, env_files=env_files, variables=variables)
