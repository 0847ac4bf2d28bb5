#!/bin/sh
# Keeps an agent running on a machine without systemd: restarts it after a crash, ends with it
# when it exits 0, and hands TERM on to it.
# usage: supervise.sh PIDFILE COMMAND [ARGUMENT]...
umask 077
pidfile=$1
shift

child=
stopping=
stop() {
    stopping=1
    [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap stop TERM INT
trap '' HUP
trap 'rm -f "$pidfile"' EXIT
echo $$ >"$pidfile"

delay=1
while [ -z "$stopping" ]; do
    began=$(date +%s)
    "$@" &
    child=$!
    [ -z "$stopping" ] || kill -TERM "$child" 2>/dev/null
    # A trapped signal ends `wait` early; the child is asked for until it is really gone.
    while :; do
        wait "$child"
        status=$?
        kill -0 "$child" 2>/dev/null || break
    done
    child=
    [ "$status" -ne 0 ] && [ -z "$stopping" ] || break
    [ $(($(date +%s) - began)) -lt 60 ] || delay=1
    echo "supervise: the agent ended with status $status; starting it again in $delay s"
    sleep "$delay" &
    child=$!
    wait "$child"
    child=
    delay=$((delay * 2))
    [ "$delay" -le 10 ] || delay=10
done
exit 0
