# Messages of Darner as InfluxDB's line protocol: jq -R -r -f lines.jq. A line that is no message of ours gives nothing.
# Tags are what one groups by; the time is when it happened, in ns.
def tag: tostring | gsub("[\\n\\r\\\\]"; " ") | gsub("(?<c>[, =])"; "\\\(.c)");
def tags(names): . as $m | [names | select($m[.] != null and $m[.] != "") | ",\(.)=\($m[.] | tag)"] | join("");
def whole(names): . as $m | [names | select($m[.] != null) | "\(.)=\($m[.])i"];
def plain(names): . as $m | [names | select($m[.] != null) | "\(.)=\($m[.])"];
def text(names): . as $m | [names | select($m[.] != null) | "\(.)=\($m[.] | tostring | tojson)"];
# Two events may happen at one time: their numbers keep them apart, as nanoseconds.
def ns(us; n): "\(us)" + ("\(1000 + n % 1000)" | .[1:]);

fromjson? | select(type == "object") | (
    select(.schema == "darner.event/1") |
    "darner_event" + tags("node", "camera", "type", "zone", "direction", "label") + " " +
        (whole("number", "track_id", "count") + plain("dwell_s", "historical") + text("event_id", "snapshot", "problem") +
            [.alert // {} | (text("rule", "severity", "text"))[] | "alert_" + .] | join(",")) +
        " " + ns(.occurred_us; .number // 0)
), (
    select(.schema == "darner.count/1") |
    "darner_count" + tags("node", "camera") + " total=\(.total)i " + ns(.captured_us; 0),
    (. as $m | .classes | to_entries[] |
        "darner_count_by_class" + ($m | tags("node", "camera")) + ",label=\(.key | tag) count=\(.value)i " + ns($m.captured_us; 0))
), (
    select(.schema == "darner.zone/1") |
    "darner_zone" + tags("node", "camera", "zone", "kind") + " " +
        (whole("occupancy", "entered", "exited", "lost", "loitering") + plain("watched") + text("paused") +
            [.day // {} | whole("entered", "exited")[] | "day_" + .] +
            [.queue // {} | (whole("length") + plain("wait_average_s", "wait_longest_s"))[] | "queue_" + .] | join(",")) +
        " " + ns(.captured_us; 0)
)
