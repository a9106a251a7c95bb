"""What is said on MQTT."""
