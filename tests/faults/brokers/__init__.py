"""Several brokers that are one to their clients: a NATS cluster, and a standby behind haproxy."""
