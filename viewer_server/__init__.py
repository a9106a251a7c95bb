"""The viewer server: it subscribes to the broker, stores events, and shows both in the browser.

Enter by `server.py`, which builds everything and serves it; `app.py` is the Flask application. Wings, lowest
level first: `live` (now), `stored` (the past) and `access` (who may look), then `mqtt`, then `api`. The
page's JavaScript is in `static`, with levels of its own: `common`, then `edit`, then `live` and `pages`. May
import `shared`.
"""
