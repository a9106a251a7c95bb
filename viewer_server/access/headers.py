"""Headers of every answer, also of those that are given before the application is asked."""

from __future__ import annotations

HEADERS = {
    # No inline script or style, nothing from elsewhere, no way to turn text into markup.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # without any referrer, our own forms would send no origin
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Pictures, events and who moved where stay out of the caches of browsers and proxies. Static files say
    # something else: a browser keeps them, and asks whether they are still current.
    "Cache-Control": "no-store",
}
