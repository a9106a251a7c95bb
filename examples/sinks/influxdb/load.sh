#!/usr/bin/env bash
# Puts the events, counts and zone numbers of all nodes into InfluxDB 1.x or 2.x. Needs bash 5, curl, jq, and mosquitto_sub
# 2.0 or newer. It loses what it has read and not yet written when it is killed; docs/how-to/sinks.md has one that does not.
#
#   INFLUX_URL='http://127.0.0.1:8086/write?db=darner&precision=ns' ./load.sh
#   INFLUX_URL='http://127.0.0.1:8086/api/v2/write?org=home&bucket=darner&precision=ns' INFLUX_TOKEN=... ./load.sh
#
# MQTT_OPTIONS are options for mosquitto_sub, such as "-h broker -u influxdb -P secret --cafile ca.crt". CLIENT is the name
# under which the broker keeps events while this program is away: run one for each name.
set -uo pipefail
PREFIX=${PREFIX:-darner/v1} CLIENT=${CLIENT:-darner-influxdb} BATCH=500
: "${INFLUX_URL:?is not set: see the top of this file}"
for program in curl jq mosquitto_sub; do
    command -v "$program" >/dev/null || { echo "$program is not installed: see the top of $0" >&2; exit 1; }
done
read -ra mqtt <<<"${MQTT_OPTIONS:-}"
lines_of="$(dirname "$0")/lines.jq"

# InfluxDB takes the good lines of a batch, and answers 400 or 422 when it refuses others, such as those older than it keeps
# anything. Another status or none means: try again.
write() {
    local answer status
    until
        answer=$(curl -s -w '%{http_code}' --max-time 20 ${INFLUX_TOKEN:+-H "Authorization: Token $INFLUX_TOKEN"} \
            -X POST --data-binary @- "$INFLUX_URL" <<<"$1")
        status=${answer: -3}
        [[ $status == 2?? || $status == 400 || $status == 422 ]]
    do
        echo "InfluxDB answers ${status/000/nothing}; trying again ${answer%???}" >&2
        sleep 2
    done
    [[ $status == 2?? ]] || echo "InfluxDB refuses lines: ${answer%???}" >&2
}

mosquitto_sub "${mqtt[@]}" -V 5 -q 1 -c -i "$CLIENT" -x 86400 -F '%p' \
    -t "$PREFIX/+/camera/+/events" -t "$PREFIX/+/camera/+/count" -t "$PREFIX/+/camera/+/zone/+" |
    while IFS= read -r line; do
        lines=("$line")
        while ((${#lines[@]} < BATCH)) && IFS= read -r -t 0.2 line; do lines+=("$line"); done
        batch=$(printf '%s\n' "${lines[@]}" | jq -R -r -f "$lines_of")
        [[ -z $batch ]] || write "$batch"
    done
