"""The RTMP live stream of a chat: URL and key, title, and delivery."""
