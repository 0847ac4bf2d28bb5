from __future__ import annotations

from pathlib import Path

from cove.adapters.host.binds import nested_binds, real_powers_missing, way
from cove.model.app import App, Mount, Service
from cove.model.powers import NestedBind


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


def mounting(name: str, *mounts: tuple[Path, bool], powers: tuple[str, ...] = ()) -> App:
    """An app that mounts several paths, each read-only or not."""
    made = tuple(
        Mount(kind="bind", source=str(path), target=f"/x{place}", read_only=read_only)
        for place, (path, read_only) in enumerate(mounts)
    )
    service = Service(name="web", image="x", mounts=made)
    return App(name=name, services=(service,), powers=powers)


def test_a_way_knows_where_each_name_was_looked_up(tmp_path: Path) -> None:
    """Links of either kind, links to links, and what does not exist yet."""
    root = tmp_path.resolve()
    (root / "disk").mkdir()
    (root / "a").symlink_to("b")
    (root / "b").symlink_to(root / "disk")
    (root / "disk" / "up").symlink_to("../c")
    found = way(f"{root}/a/up/new")
    assert found.end == f"{root}/c/new"
    assert found.through[-3:] == (str(root), f"{root}/disk", f"{root}/c")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    """As a path that leads nowhere."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert way(str(tmp_path / "a" / "c")).end.endswith("/c")


def test_a_path_below_a_second_name_of_a_writable_folder(tmp_path: Path) -> None:
    """It lies in that folder, whatever the file calls it; one beside it does not."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to("run")
    run, var = tmp_path / "run", tmp_path / "var"
    (found,) = nested_binds(mounting("shop", (run, False), (var / "a", True)), ())
    assert found == NestedBind(path=str(var / "a"), app="shop", folder=str(run), writer="shop")
    assert nested_binds(mounting("shop", (run, True), (var / "a", True)), ()) == ()
    assert nested_binds(mounting("shop", (run, False), (tmp_path / "runner", True)), ()) == ()
    assert nested_binds(mounting("shop", (run, False), (var, False)), ()) == ()


def test_a_link_that_was_put_there_still_lies_there(tmp_path: Path) -> None:
    """Where it leads says nothing about who may lead it elsewhere."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to("/etc")
    spec = mounting("shop", (tmp_path / "data", False), (tmp_path / "data" / "out", True))
    assert len(nested_binds(spec, ())) == 1


def test_paths_of_two_apps(tmp_path: Path) -> None:
    """Each is asked about its own paths and about those it would endanger."""
    outer = mounting("shop", (tmp_path, False))
    inner = mounting("blog", (tmp_path / "a", True))
    found = NestedBind(path=str(tmp_path / "a"), app="blog", folder=str(tmp_path), writer="shop")
    assert nested_binds(outer, [inner]) == nested_binds(inner, [outer]) == (found,)
    root = mounting("shop", (tmp_path, False), powers=("docker-socket",))
    assert nested_binds(root, [inner]) == nested_binds(inner, [root]) == ()


def test_no_grant_is_followed_through_what_another_app_may_write(tmp_path: Path) -> None:
    """Else that app could lead it anywhere, by its second name as well."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to("run")
    (tmp_path / "run" / "a").symlink_to("/etc")
    path = tmp_path / "var" / "a"
    granted = [f"host-bind={path}"]
    assert real_powers_missing(binding(path), granted) == ()
    writer = mounting("other", (tmp_path / "run", False))
    assert real_powers_missing(binding(path), granted, [writer]) == ("host-bind=/etc",)
    root = mounting("other", (tmp_path, False), powers=("privileged",))
    assert real_powers_missing(binding(path), granted, [root]) == ()
