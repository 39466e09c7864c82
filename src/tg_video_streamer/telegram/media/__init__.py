"""Media out of Telegram's chats: what a message holds, what a chat holds, and the bytes of its files."""
