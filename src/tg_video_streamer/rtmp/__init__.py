"""The RTMP protocol without I/O, and its transport over sockets and TLS."""
