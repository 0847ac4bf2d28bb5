"""The proxy's own documents: static configuration, base routes, Compose project. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from cove.errors import InvalidFile
from cove.model import names
from cove.model.access import SLOW, ServerAccessLog, every_request
from cove.model.metrics import LATENCY_BOUNDS
from cove.render.naming import LABEL_CONFIG, LABEL_INSTANCE, Naming
from cove.render.traefik import CERTS_DIR, TRANSPORT

CONFIG_DIR = "/etc/cove"
_FIRST = 1_000_000_000  # the priority of a router that wins over every app's
_NO_HTTP = " && !ALPN(`h2`) && !ALPN(`http/1.1`) && !ALPN(`http/1.0`)"
DEFAULT_CERTIFICATE = "_default"  # no domain starts with an underscore
# Traefik's heap is small, so Go would collect it many times a second under load. A larger step
# gives back a part of what the metrics and the access log take; Go keeps as much when idle, and
# a still larger one gained nothing. The limit, which is kept by collecting more often, is for many
# connections at once. Nobody asks Traefik for a profile of its memory.
PROXY_ENVIRONMENT: Final = {
    "GOGC": "200",
    "GOMEMLIMIT": "256MiB",
    "GODEBUG": "memprofilerate=0",
}
_IDLE_CONNECTIONS: Final = 200  # to one container
_ACCESS_BUFFER: Final = 1000  # lines that may wait to be written, apart from the requests
# What says who asked, for what, who answered and how long that took. No header, no user's name.
_ACCESS_FIELDS: Final = (
    "ClientHost",
    "RequestMethod",
    "RequestHost",
    "RequestPath",
    "RequestProtocol",
    "RouterName",
    "ServiceName",
    "ServiceAddr",
    "DownstreamStatus",
    "DownstreamContentSize",
    "OriginStatus",
    "OriginDuration",
    "Duration",
    "RetryAttempts",
    "StartUTC",
)


class ProxyPorts(Struct, frozen=True, kw_only=True):
    """Where the proxy listens, and what it logs. `bind` empty: every address, IPv4 and IPv6."""

    http: int = 80
    https: int = 443
    api: int
    bind: str = ""
    access_log: ServerAccessLog = "errors"


def static_document(ports: ProxyPorts) -> dict[str, Any]:
    """What Traefik reads once, at its start."""
    document: dict[str, Any] = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN"},
        "entryPoints": {
            "web": _entry_point(f"{ports.bind}:{ports.http}"),
            # Its challenges are answered by cove itself: see `challenges_document`.
            "websecure": {
                **_entry_point(f"{ports.bind}:{ports.https}"),
                "allowACMEByPass": True,
            },
            # Loopback only, and no app shares the host's network: nobody else reaches it.
            "traefik": {"address": f"127.0.0.1:{ports.api}"},
        },
        "api": {"insecure": True, "dashboard": False},
        "ping": {"entryPoint": "traefik"},
        "providers": {
            # The default of 2 s would be added to every cutover.
            "providersThrottleDuration": "100ms",
            "file": {"directory": f"{CONFIG_DIR}/dynamic", "watch": True},
        },
        "metrics": {
            "prometheus": {
                "entryPoint": "traefik",
                "addEntryPointsLabels": False,  # the services' say the same, and more
                "addServicesLabels": True,
                "buckets": list(LATENCY_BOUNDS),
            }
        },
    }
    if ports.access_log != "off":
        document["accessLog"] = _access_log(full=every_request(ports.access_log))
    return document


def _access_log(*, full: bool) -> dict[str, Any]:
    """JSON to standard output; without the query, which carries tokens and personal data."""
    document: dict[str, Any] = {
        "format": "json",
        "fields": {
            "defaultMode": "drop",
            "names": dict.fromkeys(_ACCESS_FIELDS, "keep"),
            "headers": {"defaultMode": "drop"},
            "queryParameters": {"defaultMode": "drop"},
        },
    }
    if full:
        document["bufferingSize"] = _ACCESS_BUFFER
    else:
        # Not buffered: what is filtered out would wait in the buffer first, which costs more.
        document["filters"] = {"statusCodes": ["400-599"], "minDuration": f"{SLOW}s"}
    return document


def _entry_point(address: str) -> dict[str, Any]:
    return {
        "address": address,
        "reusePort": True,  # a successor can listen before this one ends
        # X_Auth_User could pass for the X-Auth-User that only the proxy may set.
        "http": {"aliasHeadersStrategy": "delete"},
        "transport": {
            "lifeCycle": {"graceTimeOut": "10s"},
            # The default of 60 s would cut a long upload.
            "respondingTimeouts": {"readTimeout": "600s"},
        },
    }


def base_document(challenges: int) -> dict[str, Any]:
    """What every app's routes share; `challenges` is cove's own port for those of authorities."""
    name = f"{CERTS_DIR}/{DEFAULT_CERTIFICATE}"
    # Before every app's routes and redirects. Over HTTPS too: what stands before this proxy may
    # send an authority there.
    challenge = {
        "rule": "PathPrefix(`/.well-known/acme-challenge/`)",
        "priority": _FIRST,
        "service": "_challenges",
    }
    return {
        "http": {
            "routers": {
                "_challenges": {**challenge, "entryPoints": ["web"]},
                "_challenges_tls": {**challenge, "entryPoints": ["websecure"], "tls": {}},
            },
            "services": {
                "_challenges": {
                    "loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{challenges}"}]}
                }
            },
            "serversTransports": {
                TRANSPORT: {
                    # Without a word Go keeps two, and every other request opens a connection:
                    # 211 instead of 93 µs of processor time for a request. Traefik's own transport
                    # keeps as many.
                    "maxIdleConnsPerHost": _IDLE_CONNECTIONS,
                    "forwardingTimeouts": {
                        # Far below the keep-alive of common servers (gunicorn's is 2 s): no
                        # request is written to a connection its server is closing, and what is
                        # still open after it is a request in flight, which is what a drain counts.
                        "idleConnTimeout": "500ms",
                        "dialTimeout": "5s",
                    },
                }
            },
        },
        # Without a default certificate every reload makes a new one: 130 to 260 ms of CPU.
        "tls": {
            "stores": {
                "default": {
                    "defaultCertificate": {"certFile": f"{name}.crt", "keyFile": f"{name}.key"}
                }
            }
        },
    }


def certificates_document(stems: Iterable[str]) -> dict[str, Any]:
    """The pairs that lie ready, apart from every route: what comes or is renewed spoils none."""
    pairs = [
        {"certFile": f"{CERTS_DIR}/{stem}.crt", "keyFile": f"{CERTS_DIR}/{stem}.key"}
        for stem in sorted(stems)
    ]
    return {"tls": {"certificates": pairs}} if pairs else {}


def challenges_document(domains: Iterable[str], port: int) -> dict[str, Any]:
    """Leads the TLS-ALPN handshakes of authorities to cove's own port, undecrypted.

    Traefik refuses to match their protocol by its name. They offer no other (RFC 8737, 3), and
    what speaks HTTP offers one of these.
    """
    routers = {
        f"_alpn_{number}": {
            "rule": f"HostSNI(`{_checked(domain)}`) {_NO_HTTP}",
            "priority": _FIRST,
            "entryPoints": ["websecure"],
            "service": "_alpn",
            "tls": {"passthrough": True},
        }
        for number, domain in enumerate(sorted(domains))
    }
    if not routers:
        return {}
    servers = [{"address": f"127.0.0.1:{port}"}]
    return {
        "tcp": {"routers": routers, "services": {"_alpn": {"loadBalancer": {"servers": servers}}}}
    }


def _checked(domain: str) -> str:
    if not names.matches(names.DOMAIN, domain):
        raise InvalidFile(f"{domain!r} is not a domain")
    return domain


def compose_document(image: str, folder: str, config: str, naming: Naming) -> dict[str, Any]:
    """The proxy's Compose project. Another `config`, a digest, replaces one that runs."""
    return {
        "name": naming.proxy_project,
        "services": {
            "proxy": {
                "image": image,
                "pull_policy": "missing",
                "environment": dict(PROXY_ENVIRONMENT),
                "command": [f"--configFile={CONFIG_DIR}/traefik.yaml"],
                "network_mode": "host",
                "user": "0:0",  # binding low ports takes root with one capability, or a sysctl
                "cap_drop": ["ALL"],
                "cap_add": ["NET_BIND_SERVICE"],
                "security_opt": ["no-new-privileges:true"],
                "read_only": True,
                "restart": "unless-stopped",
                "stop_grace_period": "15s",
                "volumes": [
                    {"type": "bind", "source": folder, "target": CONFIG_DIR, "read_only": True}
                ],
                "labels": {LABEL_INSTANCE: naming.prefix, LABEL_CONFIG: config},
                "logging": {
                    "driver": "json-file",
                    "options": {"max-size": "10m", "max-file": "3"},
                },
            }
        },
    }
