"""What both programs share: the wire contract, the MQTT client, and small tools.

Enter by `wire/topics.py` (the topic table) and `wire/messages/` (what each topic carries). Everybody may
import `shared`; it imports no other program. Inside, the files of this folder come first, then `wire`, then
`mqtt` and `documents`, then `conformance` and `replay`.
"""
