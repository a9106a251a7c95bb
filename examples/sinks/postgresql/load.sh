#!/usr/bin/env bash
# Puts the events and zone numbers of all nodes into PostgreSQL, and loses no event: it is an archive, to which a node
# sends again whatever it has not acknowledged. Needs bash 5, psql, and mosquitto_sub and mosquitto_pub 2.0 or newer.
#
#   psql -f schema.sql && ./load.sh
#
# psql finds the database by PGHOST, PGDATABASE, PGUSER and PGPASSFILE. MQTT_OPTIONS are options for both MQTT programs,
# such as "-h broker -u postgresql -P secret --cafile ca.crt". ARCHIVE is this database's name among the archives: keep it
# as long as the data, and run one loader for each name.
set -uo pipefail
PREFIX=${PREFIX:-darner/v1} ARCHIVE=${ARCHIVE:-postgresql} BATCH=500
for program in psql iconv mosquitto_sub mosquitto_pub; do
    command -v "$program" >/dev/null || { echo "$program is not installed: see the top of $0" >&2; exit 1; }
done
read -ra mqtt <<<"${MQTT_OPTIONS:-}"

# One transaction for each batch; it is tried until the database takes it. mosquitto_sub waits meanwhile.
store() {
    # No message has control characters or broken UTF-8; somebody else's line may.
    printf '%s\n' "$@" | iconv -c -f UTF-8 -t UTF-8 | tr -d '\000-\010\013-\037' | psql -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 -1 \
        -c 'create temporary table incoming (line text) on commit drop' \
        -c "copy incoming from stdin with (format csv, delimiter e'\x01', quote e'\x02', escape e'\x02')" \
        -c 'select * from darner.store(array(select line from incoming))'
}

acknowledge() {
    local node boot number
    while read -r node boot number; do
        [[ $node =~ ^[A-Za-z0-9_-]{1,64}$ && $boot =~ ^[A-Za-z0-9_-]{1,64}$ ]] || continue
        mosquitto_pub "${mqtt[@]}" -V 5 -q 1 -r -t "$PREFIX/$node/ack/$ARCHIVE" -m "{\"schema\":\"darner.ack/1\",\
\"node\":\"$node\",\"session\":\"$ARCHIVE\",\"published_us\":${EPOCHREALTIME//[.,]/},\"boot\":\"$boot\",\
\"number\":$number,\"archive\":\"$ARCHIVE\"}"
    done
}

mosquitto_sub "${mqtt[@]}" -V 5 -q 1 -F '%t %p' -t "$PREFIX/+/camera/+/events" -t "$PREFIX/+/camera/+/zone/+" |
    while IFS= read -r line; do
        lines=("$line")
        while ((${#lines[@]} < BATCH)) && IFS= read -r -t 0.1 line; do lines+=("$line"); done
        until acks=$(store "${lines[@]}"); do sleep 2; done
        acknowledge <<<"$acks"
    done
