"""Compose files of the usual shapes, from automation to media."""

from __future__ import annotations

from typing import Final

from support.compose_shape import PASSWORD, shape

SHAPES: Final = (
    shape(
        "n8n",
        "the app on its own with many variables and defaults",
        "n8n",
        """\
        services:
          n8n:
            image: docker.n8n.io/n8nio/n8n
            restart: always
            environment:
              - N8N_HOST=${SUBDOMAIN:-n8n}.localhost
              - N8N_PROTOCOL=https
              - GENERIC_TIMEZONE=${GENERIC_TIMEZONE-UTC}
            ports: ["127.0.0.1:5678:5678"]
            volumes: [n8n_data:/home/node/.n8n]
            x-cove: {domain: "${SUBDOMAIN:-n8n}.localhost", publish: false}
        volumes: {n8n_data: }
        """,
    ),
    shape(
        "umami",
        "a health check of the app itself, init, a domain as a list",
        "umami",
        """\
        services:
          umami:
            image: ghcr.io/umami-software/umami:postgresql-latest
            environment: {DATABASE_URL: "postgresql://umami:umami@db:5432/umami"}
            expose: ["3000"]
            depends_on: {db: {condition: service_healthy}}
            init: true
            restart: always
            healthcheck:
              test: [CMD-SHELL, "curl http://localhost:3000/api/heartbeat"]
              interval: 5s
              timeout: 5s
              retries: 5
            x-cove: {domain: [umami.localhost, track.localhost]}
          db:
            image: postgres:15-alpine
            environment: {POSTGRES_DB: umami, POSTGRES_USER: umami, POSTGRES_PASSWORD: umami}
            volumes: [umami-db-data:/var/lib/postgresql/data]
            restart: always
            healthcheck:
              test: [CMD-SHELL, "pg_isready -U $${POSTGRES_USER} -d $${POSTGRES_DB}"]
        volumes: {umami-db-data: }
        """,
    ),
    shape(
        "paperless",
        "folders of the host to consume from and to export to",
        "webserver",
        """\
        services:
          broker: {image: "docker.io/library/redis:7", restart: unless-stopped}
          gotenberg:
            image: docker.io/gotenberg/gotenberg:8.7
            command: [gotenberg, "--chromium-disable-javascript=true"]
          webserver:
            image: ghcr.io/paperless-ngx/paperless-ngx:2.11
            restart: unless-stopped
            depends_on: [broker, gotenberg]
            ports: ["8000:8000"]
            volumes:
              - data:/usr/src/paperless/data
              - ./export:/usr/src/paperless/export
              - /srv/scans:/usr/src/paperless/consume
            environment: {PAPERLESS_REDIS: "redis://broker:6379"}
            x-cove: {domain: paper.localhost, publish: false}
        volumes: {data: }
        """,
        grants=("host-bind=/srv/shop/export", "host-bind=/srv/scans"),
    ),
    shape(
        "mastodon-like",
        "three services of one image, two of them on one domain by path",
        "web streaming",
        """\
        x-app: &app
          image: acme/social:4
          restart: always
          env_file: .env.production
          networks: [external_network, internal_network]
        services:
          db:
            restart: always
            image: postgres:14-alpine
            shm_size: 256mb
            networks: [internal_network]
            healthcheck: {test: [CMD, pg_isready, -U, postgres]}
            volumes: [postgres14:/var/lib/postgresql/data]
          redis:
            restart: always
            image: redis:7-alpine
            networks: [internal_network]
            healthcheck: {test: [CMD, redis-cli, ping]}
          web:
            <<: *app
            command: bundle exec puma -C config/puma.rb
            healthcheck:
              test: [CMD-SHELL, "wget -q --spider --proxy=off localhost:3000/health || exit 1"]
            ports: ["127.0.0.1:3000:3000"]
            depends_on: [db, redis]
            volumes: [system:/mastodon/public/system]
            x-cove: {domain: social.localhost, publish: false, health: /health}
          streaming:
            <<: *app
            command: node ./streaming
            ports: ["127.0.0.1:4000:4000"]
            depends_on: [db, redis]
            x-cove:
              publish: false
              routes: [{domain: social.localhost, path: /api/v1/streaming}]
          sidekiq:
            <<: *app
            command: bundle exec sidekiq
            depends_on: [db, redis]
            volumes: [system:/mastodon/public/system]
        networks:
          external_network:
          internal_network: {internal: true}
        volumes: {postgres14: , system: }
        """,
        env_files={".env.production": "LOCAL_DOMAIN=social.localhost\n"},
    ),
    shape(
        "monitoring",
        "configs with content, an exporter that looks at the host",
        "grafana prometheus",
        """\
        services:
          prometheus:
            image: prom/prometheus:v2.53.0
            command: ["--config.file=/etc/prometheus/prometheus.yml"]
            configs: [{source: prometheus, target: /etc/prometheus/prometheus.yml, mode: 0444}]
            volumes: [prometheus:/prometheus]
            expose: [9090]
            user: "65534"
            x-cove: {domain: prometheus.localhost, tls: off}
          grafana:
            image: grafana/grafana-oss:11.1.0
            environment: {GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets/grafana_admin}
            secrets: [grafana_admin]
            volumes: [grafana:/var/lib/grafana]
            expose: [3000]
            depends_on: [prometheus]
            x-cove: {domain: grafana.localhost, health: /api/health}
          node:
            image: quay.io/prometheus/node-exporter:v1.8.1
            command: ["--path.rootfs=/host"]
            pid: host
            network_mode: host
            volumes: ["/proc:/host/proc:ro", "/sys:/host/sys:ro"]
        configs:
          prometheus:
            content: |
              scrape_configs:
                - job_name: node
                  static_configs: [{targets: ["host.docker.internal:9100"]}]
        secrets:
          grafana_admin: {environment: GRAFANA_ADMIN}
        volumes: {prometheus: , grafana: }
        """,
        variables={"GRAFANA_ADMIN": "tulip"},
        grants=("host-bind=/proc:ro", "host-bind=/sys:ro", "network-mode=host", "pid=host"),
    ),
    shape(
        "keycloak",
        "secrets in files, a health port beside the routed one",
        "keycloak",
        """\
        services:
          keycloak:
            image: quay.io/keycloak/keycloak:25.0
            command: start --http-enabled=true --proxy-headers=xforwarded
            environment:
              KC_DB: postgres
              KC_DB_URL: jdbc:postgresql://postgres/keycloak
              KC_HEALTH_ENABLED: "true"
            secrets: [{source: db_password, target: db, uid: "1000", mode: 0400}]
            depends_on: {postgres: {condition: service_healthy}}
            x-cove:
              domain: id.localhost
              port: 8080
              health: {path: /health/ready, port: 9000}
              rollout: {timeout: 3m}
          postgres:
            image: postgres:16
            environment: {POSTGRES_PASSWORD_FILE: /run/secrets/db_password}
            secrets: [db_password]
            volumes: [pg:/var/lib/postgresql/data]
            healthcheck: {test: pg_isready}
        secrets: {db_password: {file: secrets/db.txt}}
        volumes: {pg: }
        """,
        files={"secrets/db.txt": "hunter2"},
    ),
    shape(
        "static-and-api",
        "two services on one domain, the path taken off for one",
        "site api",
        """\
        name: docs
        services:
          site:
            image: nginx:1.27-alpine
            read_only: true
            tmpfs: [/var/cache/nginx, "/run:size=1m"]
            cap_drop: [ALL]
            cap_add: [CHOWN, SETGID, SETUID, NET_BIND_SERVICE]
            security_opt: ["no-new-privileges:true"]
            configs: [{source: site, target: /etc/nginx/conf.d/default.conf}]
            x-cove: {domain: docs.localhost, port: 80}
          api:
            image: acme/docs-api:1
            expose: ["9000/tcp"]
            x-cove:
              routes: [{domain: docs.localhost, path: /api, strip_path: true}]
        configs:
          site:
            content: |
              server { listen 80; location / { try_files $$uri /index.html; } }
        """,
    ),
    shape(
        "miniflux",
        "defaults with nested variables, version as a bare number",
        "miniflux",
        """\
        version: 3.4
        services:
          miniflux:
            image: ${MINIFLUX_IMAGE:-miniflux/miniflux:${MINIFLUX_TAG:-latest}}
            depends_on: {db: {condition: service_healthy}}
            environment:
              - DATABASE_URL=postgres://miniflux:${DB_PASSWORD}@db/miniflux?sslmode=disable
              - RUN_MIGRATIONS=1
            ports: ["80:8080"]
            x-cove: {domain: rss.localhost, publish: false}
          db:
            image: postgres:15
            environment: [POSTGRES_USER=miniflux, "POSTGRES_PASSWORD=${DB_PASSWORD}"]
            volumes: [miniflux-db:/var/lib/postgresql/data]
            healthcheck: {test: [CMD, pg_isready, -U, miniflux], interval: 10s, start_period: 30s}
        volumes: {miniflux-db: }
        """,
        variables=PASSWORD,
    ),
    shape(
        "outline",
        "env files that may be absent, a profile for a tool that stays off",
        "outline",
        """\
        services:
          outline:
            image: docker.getoutline.com/outlinewiki/outline:0.78
            env_file:
              - ./docker.env
              - {path: ./local.env, required: false}
            expose: ["3000"]
            depends_on: [postgres, redis]
            volumes: [storage-data:/var/lib/outline/data]
            x-cove: {domain: wiki.localhost}
          redis:
            image: redis:7
            expose: ["6379"]
            healthcheck: {test: [CMD, redis-cli, ping], interval: 10s, retries: 3}
          postgres:
            image: postgres:16
            env_file: ./docker.env
            volumes: [database-data:/var/lib/postgresql/data]
          adminer:
            build: ./tools/adminer
            profiles: [debug]
            volumes: ["/var/run/docker.sock:/var/run/docker.sock"]
        volumes: {storage-data: , database-data: }
        """,
        env_files={"./docker.env": "POSTGRES_PASSWORD=x\nURL=https://wiki.localhost\n"},
    ),
    shape(
        "vaultwarden",
        "the short form with a companion that backs up",
        "vault",
        """\
        name: vault
        image: vaultwarden/server:1.31.0-alpine
        domain: vault.localhost
        port: 80
        health: /alive
        env: {SIGNUPS_ALLOWED: "false"}
        volumes: [data:/data]
        services:
          backup:
            image: offen/docker-volume-backup:v2
            environment: {BACKUP_CRON_EXPRESSION: "@daily"}
            volumes: [data:/backup/data:ro, /srv/backup:/archive]
        """,
        grants=("host-bind=/srv/backup",),
    ),
    shape(
        "portainer-like",
        "a panel with the socket of Docker",
        "panel",
        """\
        services:
          panel:
            image: acme/panel:2
            expose: [9000]
            volumes:
              - /var/run/docker.sock:/var/run/docker.sock
              - data:/data
            x-cove: {domain: panel.localhost}
        volumes: {data: }
        """,
        grants=("docker-socket",),
    ),
    shape(
        "transcoder",
        "devices, a GPU, a kernel parameter, an external network and volume",
        "media",
        """\
        services:
          media:
            image: acme/media:10
            user: "1000:1000"
            group_add: ["44", render]
            devices: ["/dev/dri/renderD128:/dev/dri/renderD128", /dev/dri/card0]
            cap_add: [SYS_NICE]
            sysctls: [net.core.somaxconn=1024]
            networks: [default, monitoring]
            volumes: [library:/media:ro]
            deploy:
              resources:
                reservations:
                  devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]
            x-cove: {domain: media.localhost, port: 8096}
        networks: {monitoring: {external: true}}
        volumes: {library: {external: true, name: big_library}}
        """,
        grants=(
            "cap=SYS_NICE",
            "device=/dev/dri",
            "external-network=monitoring",
            "external-volume=big_library",
            "gpus",
            "sysctl=net.core.somaxconn",
        ),
    ),
)
