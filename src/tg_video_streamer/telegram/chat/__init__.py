"""Chats: how CHAT_ID names one, how it is found, its messages."""
