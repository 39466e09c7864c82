"""The Telegram session: login, renewal, and the keeper that holds it."""
