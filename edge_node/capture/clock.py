"""When a live frame was captured, estimated from its arrival and the time stamps of its stream."""

from __future__ import annotations

from shared.wire.messages import ClockSource

_MAX_AGE_NS = 10_000_000_000
"""A frame that seems older than this, nanoseconds, shows that the stream's clock has jumped."""
_MAX_SKEW_NS = 5_000_000_000
"""The sender's clock is used while it differs from ours by less than this, nanoseconds."""
_DRIFT = 1e-3
"""How fast the estimate of the smallest delay grows; two clocks drift apart more slowly."""


class StreamClock:
    """Removes the jitter of network and decoder from arrival times.

    The stream's time stamps tell how far apart frames were captured. The frame with the smallest delay so far
    ties them to our clock, because no frame is captured after it arrives. That delay grows by a thousandth of
    the elapsed time, more than two clocks drift apart, so that one lucky frame does not count forever. (A
    minimum filter over delays is NTP's idea: Mills, RFC 5905, section 10.)

    Attributes:
        source: The clock that the last stamp was derived from.
    """

    def __init__(self) -> None:
        self.source: ClockSource = "arrival"
        self._base_ns: int | None = None
        self._media_ns = 0
        self._last_ns = 0
        self._sender_offset_ns: int | None = None

    def stamp(
        self, arrived_ns: int, wall_ns: int, media_s: float | None, sender_ns: int | None
    ) -> tuple[int, int]:
        """The wall and monotonic time at which a frame was captured.

        Args:
            arrived_ns: The monotonic clock now, when the frame arrived.
            wall_ns: The wall clock now.
            media_s: The stream's time stamp of the frame; None when it has none.
            sender_ns: The sender's wall clock for the frame; None when the stream does not carry it.

        Returns:
            Nanoseconds since 1970, and nanoseconds on the monotonic clock. The latter always grows, and is
            never later than `arrived_ns`.
        """
        if media_s is None:
            self.source, self._last_ns = "arrival", arrived_ns
            return wall_ns, arrived_ns
        media_ns = round(media_s * 1e9)
        captured_ns = self._captured(arrived_ns, media_ns)
        captured_ns = min(arrived_ns, max(captured_ns, self._last_ns + 1))
        self._last_ns = captured_ns
        self.source = "stream"
        wall = wall_ns - (arrived_ns - captured_ns)
        if sender_ns is not None:
            self._sender_offset_ns = sender_ns - media_ns
        if self._sender_offset_ns is not None:
            sent = media_ns + self._sender_offset_ns
            # A clock that is far from ours was probably never set: ignore it.
            if -_MAX_SKEW_NS < wall_ns - sent < _MAX_SKEW_NS:
                self.source, wall = "sender", min(sent, wall_ns)
        return wall, captured_ns

    def _captured(self, arrived_ns: int, media_ns: int) -> int:
        lag_ns = arrived_ns - media_ns
        passed_ns, self._media_ns = media_ns - self._media_ns, media_ns
        if self._base_ns is not None:
            self._base_ns += round(max(0, passed_ns) * _DRIFT)
        if (
            self._base_ns is None
            or lag_ns < self._base_ns
            or passed_ns < 0
            or lag_ns - self._base_ns > _MAX_AGE_NS
        ):
            self._base_ns = (
                lag_ns  # the first frame, the smallest delay so far, or a stream that started again
            )
            if passed_ns < 0:
                self._sender_offset_ns = None
        return media_ns + self._base_ns
