"""When a live frame was captured: from when it arrived and from what its stream says."""

from __future__ import annotations

from shared.wire.messages import ClockSource

_MAX_AGE_NS = 10_000_000_000
_MAX_SKEW_NS = 5_000_000_000
_DRIFT = 1e-3


class StreamClock:
    """Takes the jitter of network and decoder out of arrival times.

    The stream's time stamps say how far frames lie apart, and the frame that came fastest so far says when
    they are: a frame cannot have been captured after it arrived. The estimate gives way by a thousandth,
    which is more than two clocks drift apart, so a single lucky frame does not count for ever. (The idea of
    a minimum filter over delays is NTP's: Mills, RFC 5905, section 10.)

    Attributes:
        source: What the last stamp goes back to.
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
        """Wall and monotonic time of a frame.

        Args:
            arrived_ns: Monotonic clock, now.
            wall_ns: Wall clock, now.
            media_s: The stream's time stamp; None when it has none.
            sender_ns: The sender's wall clock; None when this frame tells none.

        Returns:
            When it was captured, nanoseconds since 1970, and on the monotonic clock. The latter only grows
            and is never later than `arrived_ns`.
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
            # A camera whose clock was never set is no witness.
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
            self._base_ns = lag_ns  # the first, the fastest so far, or a stream that began anew
            if passed_ns < 0:
                self._sender_offset_ns = None
        return media_ns + self._base_ns
