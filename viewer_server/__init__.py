"""The viewer server: it subscribes to the broker, stores events, and shows both in the browser.

Enter by `server.py`, which builds everything and serves it; `app.py` is the Flask application. Wings, lowest
level first: `live` (now), `stored` (the past), `access` (who may look) and `labelling`, then `mqtt`, then
`api`. The page's JavaScript is in `static`, with levels of its own: `common`, then `edit`, then `live`,
`pages` and `label`. May import `shared`.
"""
