"""What Telegram's answers mean, constructor by constructor."""
