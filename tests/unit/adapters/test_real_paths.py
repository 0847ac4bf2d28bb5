from __future__ import annotations

from pathlib import Path

from cove.adapters.host.binds import real_powers_missing
from cove.model.app import App, Mount, Service


def binding(path: Path, *, read_only: bool = False) -> App:
    """An app that mounts one path."""
    mount = Mount(kind="bind", source=str(path), target="/x", read_only=read_only)
    return App(name="shop", services=(Service(name="web", image="x", mounts=(mount,)),))


def test_a_granted_path_is_what_it_says(tmp_path: Path) -> None:
    """Nothing more is needed, whether it exists or not."""
    assert real_powers_missing(binding(tmp_path / "a"), [f"host-bind={tmp_path}"]) == ()


def test_a_link_out_of_the_granted_folder_needs_its_own_grant(tmp_path: Path) -> None:
    """An app may write links into its folder; they give it no other."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to("/etc")
    granted = [f"host-bind={tmp_path / 'data'}"]
    found = real_powers_missing(binding(tmp_path / "data" / "out" / "ssl"), granted)
    assert found == ("host-bind=/etc/ssl",)


def test_a_link_to_the_socket_is_the_socket(tmp_path: Path) -> None:
    """Whatever the link is called."""
    (tmp_path / "harmless").symlink_to(tmp_path / "docker.sock")
    granted = [f"host-bind={tmp_path}"]
    assert real_powers_missing(binding(tmp_path / "harmless"), granted) == ("docker-socket",)


def test_a_grant_of_a_link_holds_for_where_it_leads(tmp_path: Path) -> None:
    """The server's owner gave what the link leads to."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    app = binding(tmp_path / "data" / "a", read_only=True)
    assert real_powers_missing(app, [f"host-bind={tmp_path / 'data'}:ro"]) == ()


def test_a_grant_within_a_folder_that_the_app_writes_is_taken_as_written(tmp_path: Path) -> None:
    """Else the app could put a link in its place, and the grant would follow."""
    (tmp_path / "sub").symlink_to("/etc")
    granted = [f"host-bind={tmp_path}", f"host-bind={tmp_path / 'sub'}"]
    assert real_powers_missing(binding(tmp_path / "sub"), granted) == ("host-bind=/etc",)


def test_other_grants_are_left_alone(tmp_path: Path) -> None:
    """They say nothing about paths."""
    wanted = real_powers_missing(binding(tmp_path), ["privileged", "cap=ALL"])
    assert wanted == (f"host-bind={tmp_path.resolve()}",)
