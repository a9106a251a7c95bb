"""The wire contract and the small tools that every part of Darner needs; imports nothing else of ours."""
