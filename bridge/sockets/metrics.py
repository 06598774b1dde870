"""What Prometheus is told about WebSockets. Labels are kinds and codes: never ids, never content."""

from prometheus_client import Counter, Gauge

OPEN = Gauge("festimo_sockets_open", "WebSockets that are open", ["kind"])
FRAMES_SENT = Counter("festimo_socket_frames_sent", "Frames that went out on WebSockets", ["kind"])
SIGNALS = Counter(
    "festimo_socket_signals", "Typing and presence on WebSockets, by what became of it", ["outcome"]
)
ENDED = Counter("festimo_sockets_ended", "WebSockets that ended, by the close code", ["code"])
