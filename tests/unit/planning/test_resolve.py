from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cove.errors import InvalidFile, Refused
from cove.model import names
from cove.model.app import App, Health, Mount, Service
from cove.planning.resolve import carry_volumes, check_handover, resolve, volume_name

from support.releases import DATA, app, image, route, web

OPEN = app(web(), routes=(route(port=0),))


def test_the_only_port_is_the_port():
    """An image that exposes one port decides where the file does not."""
    assert resolve(OPEN, {"web": image(ports=(3000,))}).routes[0].port == 3000


def test_the_file_decides():
    """A port in the file stands, whatever the image exposes."""
    assert resolve(app(), {"web": image(ports=(1, 2))}).routes[0].port == 8000


@pytest.mark.parametrize(
    ("ports", "reason"), [((), "exposes no port"), ((80, 443), "exposes 80, 443")]
)
def test_no_port_or_several(ports, reason):
    """Nothing is guessed; the message says what the image exposes and what to write."""
    with pytest.raises(InvalidFile) as caught:
        resolve(OPEN, {"web": image(ports=ports)})
    assert caught.value.specific_code == "port-undecided"
    assert caught.value.message.endswith(f"acme/shop:1 {reason}")
    assert f"`port: {(*ports, 8000)[0]}`" in caught.value.hint


def test_a_health_path_without_a_route_needs_a_port():
    """A worker with a health path is asked at the image's only port."""
    worker = app(web(health=Health(path="/ok")), routes=())
    assert resolve(worker, {"web": image()}).services[0].health.port == 8000
    with pytest.raises(InvalidFile, match="port cannot be decided"):
        resolve(worker, {"web": image(ports=())})


def test_image_volumes_become_named():
    """A release-named service would otherwise get an empty one each time.

    Each service has its own, but for the short form's, which is called as its app.
    """
    own = web(name="shop"), web(name="other")
    both = resolve(app(*own), {s.name: image(volumes=("/cache",)) for s in own} | {"web": image()})
    assert [s.mounts[0].source for s in both.services] == ["image-cache", "image-other_cache"]
    found = resolve(app(), {"web": image(volumes=("/var/lib/data", "/cache/"))}).services[0]
    assert [(m.kind, m.source, m.target) for m in found.mounts] == [
        ("volume", "image-web_var-lib-data", "/var/lib/data"),
        ("volume", "image-web_cache", "/cache/"),
    ]
    assert found.order == "stop-first"


@pytest.mark.parametrize("kind", ["volume", "tmpfs"])
def test_a_mount_covers_an_image_volume(kind):
    """What the file mounts there already is not mounted twice, slash or no slash."""
    own = Mount(kind=kind, source="own", target="/data/")
    found = resolve(app(web(mounts=(own,))), {"web": image(volumes=("/data",))})
    assert found.services[0].mounts == (own,)


paths = st.from_regex(r"/[A-Za-z0-9._/-]{0,60}", fullmatch=True).map(lambda p: p.rstrip("/") or "/")


@given(st.lists(paths, min_size=2, max_size=2, unique=True))
def test_no_two_paths_share_a_volume(pair):
    """Data of one path must not appear under another."""
    first, second = map(volume_name, pair)
    assert first != second


@given(paths)
def test_a_volume_name_is_one(path):
    """Docker and cove accept it."""
    assert names.matches(names.VOLUME, volume_name(path))


def moved(*mounts: Mount) -> App:
    """The app with these mounts."""
    return app(web(mounts=mounts))


def test_data_may_not_go_out_of_sight():
    """Another volume at the place of the data is refused, with the way to keep it."""
    other = Mount(kind="volume", source="other", target="/data")
    with pytest.raises(Refused) as caught:
        carry_volumes(moved(other), moved(DATA))
    assert caught.value.specific_code == "volume-changed"
    assert "data:/data" in caught.value.hint


@pytest.mark.parametrize(
    "mounts",
    [
        (DATA,),
        (),
        (Mount(kind="volume", source="data", target="/elsewhere"),),
        (DATA, Mount(kind="volume", source="more", target="/more")),
        (Mount(kind="tmpfs", target="/data"),),
    ],
    ids=["same", "none", "same volume elsewhere", "one more", "tmpfs"],
)
def test_what_may_change(mounts):
    """Every other change keeps the data where it can be found."""
    carry_volumes(moved(*mounts), moved(DATA))


def test_a_new_service_has_no_past():
    """A service that was not there cannot hide anything."""
    carry_volumes(app(web(name="other", mounts=(DATA,))), moved(DATA))


def with_image_volume(name: str, *mounts: Mount) -> App:
    """The app `shop` whose only service is of an image with a VOLUME."""
    spec = app(web(name=name, mounts=mounts), routes=(route(service=name),))
    return resolve(spec, {name: image(volumes=("/data",))})


@pytest.mark.parametrize(
    ("old", "new", "volume"),
    [("shop", "web", "image-data"), ("web", "shop", "image-web_data"), ("a", "b", "image-a_data")],
)
def test_a_renamed_service_does_not_leave_its_image_volume_behind(old, new, volume):
    """From the short form to Compose's, back, and between two names: refused with the way."""
    with pytest.raises(Refused) as caught:
        carry_volumes(with_image_volume(new), with_image_volume(old))
    assert caught.value.specific_code == "volume-changed"
    assert f"volume {volume} of {old}" in caught.value.message
    assert f"`volumes: [{volume}:/data]`" in caught.value.hint
    named = Mount(kind="volume", source=volume, target="/data")
    carry_volumes(with_image_volume(new, named), with_image_volume(old))


def test_a_named_volume_is_not_left_for_an_image_volume_under_another_name():
    """The data had a name, and what follows would use one that the image brings."""
    with pytest.raises(Refused, match="volume data of site"):
        carry_volumes(with_image_volume("web"), with_image_volume("site", DATA))


@pytest.mark.parametrize("source", ["fresh", "image-web_data"])
def test_who_names_the_volume_of_a_new_service_has_decided(source):
    """Beginning empty is possible, in words; so is a service beside the one that had data."""
    empty = Mount(kind="volume", source=source, target="/data")
    if source == "fresh":
        carry_volumes(with_image_volume("web", empty), with_image_volume("site"))
    else:
        both = app(web(), web(name="site"), routes=(route(), route(service="site", path="/s")))
        found = resolve(both, dict.fromkeys(("web", "site"), image(volumes=("/data",))))
        assert empty in found.service("web").mounts
        carry_volumes(found, with_image_volume("site"))


DB = Service(name="db", image="acme/db:1", mounts=(DATA,))


def test_a_service_is_not_run_twice_on_the_same_data():
    """What follows another service under a new name would start before its end."""
    with pytest.raises(Refused) as caught:
        check_handover(app(web(), replace(DB, name="postgres")), app(web(), DB))
    assert caught.value.specific_code == "handover"
    assert "volume data" in caught.value.message
    assert "cove stop shop" in caught.value.hint


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (app(web(), DB), app(web(), DB)),
        (app(web(), DB), app(DB, routes=())),
        (app(web(), DB), app(web(), DB, routes=(route(), route(service="db", path="/db")))),
        (app(web(), DB), app(web())),
        (app(web(), DB, replace(DB, name="backup")), app(web(), DB)),
        (
            app(web(mounts=(DATA,))),
            app(web(name="site", mounts=(DATA,)), routes=(route(service="site"),)),
        ),
        (
            app(web(), replace(DB, name="read", mounts=(replace(DATA, read_only=True),))),
            app(web(), DB),
        ),
    ],
    ids=[
        "the same",
        "was the only one",
        "lost its route",
        "new",
        "one beside it",
        "releases",
        "only read",
    ],
)
def test_what_shares_by_intention_or_in_turn_may(new, old):
    """The file says so itself, or one ends before the other begins."""
    check_handover(new, old)
