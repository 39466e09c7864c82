"""Commands written in the Telegram chat, and the pinned guide."""
