"""Taking part in a video chat: signalling, join budget, and the worker child."""
