"""What a user has at home, for the tests.

Enter by `site.py`, where all runs together: `server.py` is Home Assistant, `scene.py` what the camera sees,
`recorder.py` what the node says, `automations.py` what a user would be told, and `account.py` judges that.
"""
