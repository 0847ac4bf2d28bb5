"""The proxy's own documents: static configuration, base routes, Compose project. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cove.render.naming import LABEL_INSTANCE, Naming
from cove.render.traefik import CERTS_DIR, TRANSPORT

CONFIG_DIR = "/etc/cove"
DEFAULT_CERTIFICATE = "_default"  # no domain starts with an underscore


class ProxyPorts(Struct, frozen=True, kw_only=True):
    """Where the proxy listens. `bind` empty: on every address, IPv4 and IPv6."""

    http: int = 80
    https: int = 443
    api: int
    bind: str = ""


def static_document(ports: ProxyPorts) -> dict[str, Any]:
    """What Traefik reads once, at its start."""
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN"},
        "entryPoints": {
            "web": _entry_point(f"{ports.bind}:{ports.http}"),
            "websecure": _entry_point(f"{ports.bind}:{ports.https}"),
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
    }


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


def base_document() -> dict[str, Any]:
    """What every app's routes share."""
    name = f"{CERTS_DIR}/{DEFAULT_CERTIFICATE}"
    return {
        "http": {
            "serversTransports": {
                TRANSPORT: {
                    "forwardingTimeouts": {
                        # Far below the keep-alive of common servers (gunicorn's is 2 s): no
                        # request is written to a connection its server is closing, and what is
                        # still open after it is a request in flight, which is what a drain counts.
                        "idleConnTimeout": "500ms",
                        "dialTimeout": "5s",
                    },
                }
            }
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


def compose_document(image: str, folder: str, digest: str, naming: Naming) -> dict[str, Any]:
    """The proxy's Compose project. A changed `digest` of its configuration replaces it."""
    return {
        "name": naming.proxy_project,
        "services": {
            "proxy": {
                "image": image,
                "pull_policy": "missing",
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
                "labels": {LABEL_INSTANCE: naming.prefix, "cove.static": digest},
                "logging": {
                    "driver": "json-file",
                    "options": {"max-size": "10m", "max-file": "3"},
                },
            }
        },
    }
