"""What ONVIF says over MQTT, as JSON: scenes (onvif-mj) and events (onvif-ej), without any connection.

`scene.py` writes frames, `event.py` events, and `classes.py` knows ONVIF's types. Sources: ONVIF Analytics
Service Specification, "JSON over MQTT" and annex A; ONVIF Core Specification, "Event Broker"; ONVIF Imaging
Service Specification, "Tampering"; of 22.06 and later. It may import only frames and what lies below, so that
whoever reads such scenes can use it, too.
"""
