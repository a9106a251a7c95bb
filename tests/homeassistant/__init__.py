"""A real Home Assistant beside a real node: `make test-homeassistant`.

`server.py` is Home Assistant, `site.py` all that runs, `scene.py` what the camera sees, `recorder.py` what
the node says, `automations.py` what a user would be told, and `account.py` judges that by what the node said.
"""
