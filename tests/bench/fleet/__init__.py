"""A fleet of simulated nodes that speak the real contract to a real broker and a real viewer.

`python -m tests.bench.fleet` runs it; `run.py` says what is measured. `messages.py` makes the messages,
`packets.py` speaks MQTT 5, `node.py` is what one node does, `driver.py` moves all of them from one process,
and `programs.py` starts and watches broker, viewer and browser.
"""
