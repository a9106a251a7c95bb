"""What is said on the wire: topics, messages, and how timings are summed up for them.

Enter by `topics.py`: each row names a topic, its message type and its delivery. The types are in `messages/`.
The wing knows nothing of MQTT clients; it may import only the files of `shared` itself.
"""
