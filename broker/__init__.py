"""The MQTT broker for a demo, a test or a single box, and the configuration for a real one."""
