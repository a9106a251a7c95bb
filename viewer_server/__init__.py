"""The viewer server: subscribes to the broker and shows what is on it in the browser."""
