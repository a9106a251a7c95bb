"""What the node is told to do: every setting, the layers it comes from, and what can change while it runs.

Enter by `settings.py` (the keys) and `load.py` (how they are read). The wing is on level 1: it may import
`machine` (to choose a profile), `assets` (the names of models) and `shared`, and no other wing. Reading
`CameraSettings` therefore loads no MQTT client, no engine and no OpenCV.
"""
