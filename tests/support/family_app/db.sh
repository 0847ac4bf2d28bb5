#!/bin/sh
# PostgreSQL over a volume: made at the first start, kept by every later one.
set -eu
data=/var/lib/postgresql/data
bin=/usr/lib/postgresql/15/bin
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
mkdir -p "$data"
chown postgres: "$data"
chmod 700 "$data"
if [ ! -s "$data/PG_VERSION" ]; then
    $as "$bin/initdb" --pgdata="$data" --username=app --auth=trust --no-sync >/dev/null
    echo "host all all all trust" >>"$data/pg_hba.conf"
fi
exec $as "$bin/postgres" -D "$data" -k /tmp -c "listen_addresses=*" "$@"
