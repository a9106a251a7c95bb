"""The endpoints about rules: shown, changed, and tried over the stored history before they are saved.

Enter by `admin.py`. `choices.py` says what a rule can be about, and `said.py` has the questions and answers.
The wing may import what the REST API may import.
"""
