#!/usr/bin/env bash
# Puts the events of all nodes into a Kafka topic: the key is the MQTT topic, so the events of a camera stay in order. An
# event may come twice, with the same event_id. Needs bash 5, kcat 1.7 and mosquitto_sub 2.0 or newer. It loses what it has
# read and not yet written when it is killed.
#
#   KAFKA_OPTIONS='-b kafka:9092' ./forward.sh
#
# KAFKA_OPTIONS are options for kcat, such as "-b HOST:PORT -X security.protocol=SASL_SSL ...", MQTT_OPTIONS for
# mosquitto_sub, such as "-h broker -u kafka -P secret --cafile ca.crt". CLIENT is the name under which the broker keeps
# events while this program is away: run one for each name.
set -uo pipefail
PREFIX=${PREFIX:-darner/v1} CLIENT=${CLIENT:-darner-kafka} TOPIC=${TOPIC:-darner.events} BATCH=500
: "${KAFKA_OPTIONS:?is not set: see the top of this file}"
for program in kcat mosquitto_sub; do
    command -v "$program" >/dev/null || { echo "$program is not installed: see the top of $0" >&2; exit 1; }
done
read -ra kafka <<<"$KAFKA_OPTIONS"
read -ra mqtt <<<"${MQTT_OPTIONS:-}"

# acks=all: Kafka has a message on every replica in sync before it counts as written. kcat ends when all of a batch is.
write() {
    printf '%s\n' "$@" | kcat -P "${kafka[@]}" -t "$TOPIC" -K ' ' -X acks=all -X message.timeout.ms=20000
}

mosquitto_sub "${mqtt[@]}" -V 5 -q 1 -c -i "$CLIENT" -x 86400 -F '%t %p' -t "$PREFIX/+/camera/+/events" |
    while IFS= read -r line; do
        lines=("$line")
        while ((${#lines[@]} < BATCH)) && IFS= read -r -t 0.2 line; do lines+=("$line"); done
        until write "${lines[@]}"; do sleep 2; done
    done
