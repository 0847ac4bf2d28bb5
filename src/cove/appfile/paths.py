"""Paths in an app file: of files it draws on, and of the host. Imported by this package alone.

A file that comes with the app lies in the app file's folder or below: whoever deploys a
stranger's file shall not hand over their own. What symbolic links lead to is for the one who
opens the file to check.
"""

from __future__ import annotations

from cove.appfile.places import LONGEST, outside
from cove.appfile.scalars import word
from cove.appfile.value import Value
from cove.model.powers import normal


def beside(value: Value) -> str:
    """The path of a file that comes with the app file, as written."""
    if value.interpolated:
        raise value.invalid("must be written out; variables are not supported in it")
    found = word(value)
    reason = outside(found)
    if reason:
        raise value.invalid(reason)
    return found


def of_host(value: Value, found: str) -> str:
    """A path of the host, absolute and tidy; a relative one starts at the app file's folder."""
    if found.startswith("~"):
        raise value.invalid('"~" is nobody\'s home here; write the path out')
    if not found.isprintable() or len(found) > LONGEST:
        raise value.invalid("is no path of the host")
    if found.startswith("/"):
        return normal(found)
    folder = value.reading.server.folder
    if not folder.startswith("/"):
        raise value.invalid(
            "a relative path of the host means nothing in a file from elsewhere; write it out"
        )
    return normal(f"{folder}/{found}")
