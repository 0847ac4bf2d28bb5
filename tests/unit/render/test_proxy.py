"""The proxy's own documents."""

from __future__ import annotations

import pytest

from cove.model.metrics import LATENCY_BOUNDS
from cove.render.naming import Naming
from cove.render.proxy import ProxyPorts, base_document, compose_document, static_document


def ports(**given: object) -> ProxyPorts:
    """Where a proxy listens."""
    return ProxyPorts(api=20_000, **given)  # type: ignore[arg-type]


def test_failures_and_slow_answers_are_logged():
    """By default what failed or took over a second is logged, and nothing else."""
    log = static_document(ports())["accessLog"]
    assert log["filters"] == {"statusCodes": ["400-599"], "minDuration": "1s"}
    assert "bufferingSize" not in log


def test_every_request_is_logged_if_asked():
    """The full log has no filter, and is written apart from the requests."""
    log = static_document(ports(access_log="full"))["accessLog"]
    assert "filters" not in log
    assert log["bufferingSize"] > 0


def test_connections_to_containers_are_kept_for_the_next_request():
    """As many as Traefik's own transport keeps: one that is named would keep Go's two."""
    (transport,) = base_document(1)["http"]["serversTransports"].values()
    assert transport["maxIdleConnsPerHost"] == 200
    assert transport["forwardingTimeouts"]["idleConnTimeout"] == "500ms"


def test_where_apps_choose_every_request_is_logged():
    """Traefik cannot filter by route; and to change the default then replaces no proxy."""
    assert static_document(ports(access_log="apps")) == static_document(ports(access_log="full"))


def test_nothing_is_logged_if_asked():
    """Without an access log Traefik does not even count for it."""
    assert "accessLog" not in static_document(ports(access_log="off"))


@pytest.mark.parametrize("choice", ["errors", "full"])
def test_no_log_holds_secrets(choice):
    """Queries and headers are dropped, and every field that is not named."""
    fields = static_document(ports(access_log=choice))["accessLog"]["fields"]
    assert fields["defaultMode"] == "drop"
    assert fields["headers"] == fields["queryParameters"] == {"defaultMode": "drop"}
    assert not {"RequestLine", "ClientUsername", "RequestAddr"} & set(fields["names"])


def test_only_services_are_measured():
    """On the loopback port alone, with cove's own bounds."""
    metrics = static_document(ports())["metrics"]["prometheus"]
    assert metrics["entryPoint"] == "traefik"
    assert metrics["addServicesLabels"]
    assert not metrics["addEntryPointsLabels"]
    assert metrics["buckets"] == list(LATENCY_BOUNDS)


def test_requests_go_through_the_proven_client():
    """Traefik's experimental client leaves a request without an answer now and then."""
    assert "experimental" not in static_document(ports())


def test_a_changed_configuration_replaces_the_container():
    """Its digest is a label."""
    documents = [compose_document("image", "/proxy", d, Naming("cove")) for d in ("a", "b")]
    assert documents[0] != documents[1]


def test_the_container_bounds_its_own_memory():
    """With many busy connections its larger step would take far more than a bare one does."""
    environment = compose_document("image", "/proxy", "a", Naming("cove"))["services"]["proxy"][
        "environment"
    ]
    assert environment["GOMEMLIMIT"] == "256MiB"
    assert int(environment["GOGC"]) > 100
