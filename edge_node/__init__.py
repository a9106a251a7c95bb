"""The edge node: cameras in; detections, tracks, zone analytics and JPEGs out on MQTT."""
