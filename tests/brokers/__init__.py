"""`make test-brokers`: the real node and viewer on every broker that packages provide, by version of MQTT."""
