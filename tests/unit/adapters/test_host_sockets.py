from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.adapters.host import sockets
from cove.ports import Listener

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
LOCAL = "0100000A:A94E"
TARGET = "0501010A:1F90"  # 10.1.1.5:8080, as a little-endian machine prints it

pytestmark = pytest.mark.skipif(
    sys.byteorder != "little", reason="the fixtures were taken on a little-endian machine"
)


def row(*, local: str = LOCAL, remote: str = TARGET, state: str = "01", inode: int = 21591) -> str:
    """A line as the kernel prints it."""
    return (
        f"   1: {local} {remote} {state} 00000000:00000000 00:00000000 00000000"
        f"  1000        0 {inode} 1 000000007456bb20 20 4 30 148 -1                   \n"
    )


def count(*rows: str, address: str = "10.1.1.5", port: int = 8080) -> int:
    """What the table says of one endpoint."""
    return sockets.count(HEADER + "".join(rows), sockets.encode(address, port))


@pytest.mark.parametrize("state", ["01", "02", "04", "05", "08"])
def test_a_connection_that_may_carry_something_counts(state):
    """Established, dialling and half-closed connections count as open."""
    assert count(row(state=state)) == 1


@pytest.mark.parametrize("state", ["03", "06", "07", "09", "0A", "0B", "0C"])
def test_a_connection_both_sides_have_closed_does_not_count(state):
    """What is over, or was never dialled by this host, holds no drain back."""
    assert count(row(state=state)) == 0


def test_a_connection_without_a_holder_does_not_count():
    """A closed socket whose last bytes nobody acknowledges carries no answer to anyone."""
    assert count(row(state="04", inode=0)) == 0


@pytest.mark.parametrize(
    "remote", ["0501010A:1F91", "0601010A:1F90", "00000000:0000"], ids=["port", "address", "none"]
)
def test_other_endpoints_do_not_count(remote):
    """Address and port must both be the endpoint's."""
    assert count(row(remote=remote)) == 0


def test_connections_from_the_endpoint_do_not_count():
    """Only the remote side is compared."""
    assert count(row(local=TARGET, remote=LOCAL)) == 0


def test_a_mapped_address_counts_as_the_ipv4_address():
    """A dual-stack socket prints an IPv4 peer as ::ffff:a.b.c.d."""
    assert count(row(remote="0000000000000000FFFF00000501010A:1F90")) == 1


def test_an_ipv6_endpoint_counts():
    """fd00::5 is compared word by word."""
    remote = "000000FD000000000000000005000000:1F90"
    assert count(row(remote=remote), address="fd00::5") == 1


def test_an_empty_table_counts_nothing():
    """A machine without IPv6 has no second table."""
    assert sockets.count("", sockets.encode("10.1.1.5", 8080)) == 0


def test_every_row_of_a_long_table_counts():
    """Rows whose slot number has outgrown its column are read like the others."""
    rows = [row(inode=i).replace("   1:", f"{i}:") for i in range(9_990, 12_000)]
    assert count(*rows) == len(rows)


def test_a_name_is_not_an_endpoint():
    """Nothing is ever looked up."""
    with pytest.raises(ValueError, match="web"):
        sockets.encode("web", 80)


@pytest.mark.parametrize(
    ("local", "listener"),
    [
        ("00000000:1F90", Listener("0.0.0.0", 8080)),
        ("0100007F:0050", Listener("127.0.0.1", 80)),
        ("00000000000000000000000000000000:1F90", Listener("::", 8080)),
        ("00000000000000000000000001000000:1F90", Listener("::1", 8080)),
        ("0000000000000000FFFF00000100007F:1F90", Listener("127.0.0.1", 8080)),
        ("B80D0120000000000000000005000000:01BB", Listener("2001:db8::5", 443)),
    ],
)
def test_listening_addresses_are_decoded(local, listener):
    """IPv4, IPv6 and mapped addresses read as people write them."""
    table = HEADER + row(local=local, remote="00000000:0000", state="0A")
    assert [s.listener for s in sockets.listening(table)] == [listener]


def test_only_listening_sockets_are_listeners():
    """An accepted connection on the same port is no listener."""
    assert not list(sockets.listening(HEADER + row(local="00000000:1F90")))


def test_holders_are_found_by_port_in_every_table():
    """A port may be held on several addresses, by several sockets."""
    four = HEADER + row(local="00000000:0050", state="0A", inode=11)
    six = HEADER + row(local="0" * 32 + ":0050", state="0A", inode=12)
    six += row(local="0" * 32 + ":0051", state="0A", inode=13)
    assert sockets.holders([four, six], 80) == {"11", "12"}


@given(st.ip_addresses(), st.integers(0, 65535))
def test_what_is_encoded_is_decoded_to_the_same(address, port):
    """Encoding and decoding agree for every address but mapped ones, which read as IPv4."""
    for form in sockets.encode(str(address), port):
        table = HEADER + row(local=form, state="0A")
        mapped = getattr(address, "ipv4_mapped", None)
        expected = Listener(str(mapped or address), port)
        assert [s.listener for s in sockets.listening(table)] == [expected]


def test_the_owners_of_a_port_are_those_who_listen_on_it() -> None:
    """A connection from or to the port says nothing about who serves it."""
    table = HEADER + row(state="0A") + row(remote=LOCAL) + row(local="0100000A:A94F", state="0A")
    assert sockets.owners([table], 0xA94E) == {1000}
    assert sockets.owners([table], 0x1F90) == frozenset()
