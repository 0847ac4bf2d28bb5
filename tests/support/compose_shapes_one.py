"""Compose files of the usual shapes, from a blog to statistics."""

from __future__ import annotations

from typing import Final

from support.compose_shape import PASSWORD, shape

SHAPES: Final = (
    shape(
        "wordpress",
        "depends_on as a list, published port kept from the server",
        "wordpress",
        """\
        version: "3.9"
        services:
          wordpress:
            image: wordpress:6.5-apache
            restart: always
            ports:
              - 8080:80
            depends_on:
              - db
            environment:
              WORDPRESS_DB_HOST: db
              WORDPRESS_DB_USER: wp
              WORDPRESS_DB_PASSWORD: ${DB_PASSWORD}
              WORDPRESS_DB_NAME: wp
            volumes:
              - wordpress:/var/www/html
            x-cove:
              domain: blog.localhost
              publish: false
          db:
            image: mysql:8.0
            restart: always
            command: --default-authentication-plugin=mysql_native_password
            environment:
              MYSQL_DATABASE: wp
              MYSQL_USER: wp
              MYSQL_PASSWORD: ${DB_PASSWORD}
              MYSQL_RANDOM_ROOT_PASSWORD: '1'
            volumes:
              - db:/var/lib/mysql
        volumes:
          wordpress:
          db: {}
        """,
        variables=PASSWORD,
    ),
    shape(
        "nextcloud",
        "an app with its cron twin, an env file shared by three services",
        "app",
        """\
        services:
          db:
            image: mariadb:10.11
            command: --transaction-isolation=READ-COMMITTED --log-bin=binlog
            restart: unless-stopped
            env_file: [db.env]
            volumes: [db:/var/lib/mysql]
          redis:
            image: redis:7-alpine
            restart: unless-stopped
          app: &app
            image: nextcloud:29-apache
            restart: unless-stopped
            volumes: [nextcloud:/var/www/html]
            environment: [MYSQL_HOST=db, REDIS_HOST=redis]
            env_file: [db.env]
            depends_on: [db, redis]
            x-cove: {domain: cloud.localhost, port: 80, health: /status.php}
          cron:
            <<: *app
            entrypoint: /cron.sh
            x-cove: {}
        volumes: {db: , nextcloud: }
        """,
        env_files={"db.env": "MYSQL_PASSWORD=x\nMYSQL_DATABASE=nextcloud\n"},
    ),
    shape(
        "gitea",
        "a second published port that stays, networks with an external flag of false",
        "server",
        """\
        version: "3"
        networks:
          gitea:
            external: false
        services:
          server:
            image: gitea/gitea:1.22
            environment:
              - USER_UID=1000
              - USER_GID=1000
              - GITEA__database__DB_TYPE=postgres
              - GITEA__database__HOST=db:5432
              - GITEA__database__PASSWD=${DB_PASSWORD:?set it}
            restart: always
            networks: [gitea]
            volumes: [gitea:/data]
            ports: ["222:22"]
            depends_on: [db]
            x-cove: {domain: git.localhost, port: 3000, health: /api/healthz}
          db:
            image: postgres:14
            restart: always
            environment:
              - POSTGRES_USER=gitea
              - POSTGRES_PASSWORD=${DB_PASSWORD:?set it}
              - POSTGRES_DB=gitea
            networks: [gitea]
            volumes: [postgres:/var/lib/postgresql/data]
        volumes: {gitea: {}, postgres: {}}
        """,
        variables=PASSWORD,
    ),
    shape(
        "django",
        "anchors and merge keys over web, worker and scheduler",
        "web",
        """\
        x-django: &django
          image: ghcr.io/acme/shop:${TAG:-2.1}
          environment: &env
            DJANGO_SETTINGS_MODULE: shop.settings
            DATABASE_URL: postgres://shop:${DB_PASSWORD}@db/shop
            CELERY_BROKER_URL: redis://redis:6379/0
          depends_on: &needs
            db: {condition: service_healthy}
            redis: {condition: service_started}
          restart: unless-stopped
        services:
          web:
            <<: *django
            command: gunicorn shop.wsgi --bind 0.0.0.0:8000 --workers 3
            expose: ["8000"]
            volumes: ["media:/app/media"]
            x-cove:
              routes:
                - {domain: shop.localhost, redirect_from: [www.shop.localhost]}
              health: {path: /healthz, timeout: 3s}
          worker:
            <<: *django
            command: celery -A shop worker -l info
            environment: {<<: *env, CELERY_WORKER: "1"}
            deploy: {replicas: 2, resources: {limits: {memory: 512M}}}
          beat:
            <<: *django
            command: [celery, -A, shop, beat]
          db:
            image: postgres:16-alpine
            environment: {POSTGRES_USER: shop, POSTGRES_PASSWORD: "${DB_PASSWORD}"}
            healthcheck:
              test: ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER}"]
              interval: 5s
              retries: 10
            volumes: [pgdata:/var/lib/postgresql/data]
          redis: {image: "redis:7-alpine", command: redis-server --save 60 1}
        volumes: {pgdata: , media: }
        """,
        variables=PASSWORD,
    ),
    shape(
        "rails",
        "a task that migrates before the rest starts, configs of env files",
        "web",
        """\
        x-app: &app
          image: acme/portal:7
          env_file: .env.production
          depends_on:
            migrate: {condition: service_completed_successfully}
            redis: {condition: service_healthy}
        services:
          web:
            <<: *app
            ports: ["127.0.0.1:3000:3000"]
            stop_grace_period: 30s
            x-cove: {domain: portal.localhost, publish: false, replicas: 2, health: /up}
          sidekiq:
            <<: *app
            command: bundle exec sidekiq
            stop_signal: TSTP
          migrate:
            image: acme/portal:7
            env_file: .env.production
            command: bin/rails db:migrate
            restart: on-failure:3
            depends_on: {db: {condition: service_healthy, restart: true}}
          db:
            image: postgres:15
            environment: {POSTGRES_HOST_AUTH_METHOD: trust}
            volumes: ["db:/var/lib/postgresql/data"]
            healthcheck: {test: [CMD, pg_isready], interval: 2s, start_period: 20s}
          redis:
            image: redis:7
            healthcheck: {test: redis-cli ping, interval: 3s, timeout: 1s}
        volumes: {db: }
        """,
        env_files={".env.production": "RAILS_ENV=production\nSECRET_KEY_BASE=abc\n"},
    ),
    shape(
        "node-mongo",
        "two networks, the database without a way out",
        "api",
        """\
        services:
          api:
            image: acme/api:3
            environment: {MONGO_URL: "mongodb://mongo:27017/app", NODE_ENV: production}
            networks: [front, back]
            expose: [3000]
            init: true
            x-cove: {domain: api.localhost}
          mongo:
            image: mongo:7
            networks:
              back: {aliases: [database]}
            volumes:
              - type: volume
                source: mongo
                target: /data/db
        networks:
          front: {driver: bridge}
          back: {internal: true}
        volumes: {mongo: }
        """,
    ),
    shape(
        "ghost",
        "names with double underscores, a list-form environment",
        "ghost",
        """\
        services:
          ghost:
            image: ghost:5-alpine
            restart: always
            expose: ["2368"]
            environment:
              database__client: mysql
              database__connection__host: db
              database__connection__password: ${DB_PASSWORD}
              url: https://ghost.localhost
            volumes: [ghost:/var/lib/ghost/content]
            depends_on: {db: {condition: service_started}}
            x-cove: {domain: ghost.localhost}
          db:
            image: mysql:8.0
            restart: always
            environment: ["MYSQL_ROOT_PASSWORD=${DB_PASSWORD}"]
            volumes: [db:/var/lib/mysql]
        volumes: {ghost: , db: }
        """,
        variables=PASSWORD,
    ),
    shape(
        "plausible",
        "clickhouse with ulimits and files of configuration, a command of a shell",
        "plausible",
        """\
        services:
          plausible_db:
            image: postgres:16-alpine
            volumes: [db-data:/var/lib/postgresql/data]
            environment: [POSTGRES_PASSWORD=postgres]
            healthcheck: {test: [CMD-SHELL, pg_isready -U postgres], start_period: 1m}
          plausible_events_db:
            image: clickhouse/clickhouse-server:24.3-alpine
            volumes: [event-data:/var/lib/clickhouse]
            configs:
              - {source: logs, target: /etc/clickhouse-server/config.d/logs.xml}
            ulimits:
              nofile: {soft: 262144, hard: 262144}
            healthcheck: {test: [CMD-SHELL, "wget -q -O - http://127.0.0.1:8123/ping"]}
          plausible:
            image: ghcr.io/plausible/community-edition:v2.1
            command: sh -c "/entrypoint.sh db createdb && /entrypoint.sh run"
            depends_on:
              plausible_db: {condition: service_healthy}
              plausible_events_db: {condition: service_healthy}
            ulimits: {nofile: 65535}
            environment: [TMPDIR=/var/lib/plausible/tmp, "SECRET_KEY_BASE=${SECRET_KEY_BASE}"]
            x-cove: {domain: stats.localhost, port: 8000}
        configs:
          logs: {file: ./clickhouse/logs.xml}
        volumes: {db-data: {driver: local}, event-data: {driver: local}}
        """,
        variables={"SECRET_KEY_BASE": "k" * 64},
        files={"./clickhouse/logs.xml": "<clickhouse/>\n"},
    ),
)
