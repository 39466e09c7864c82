"""The only importer of Telethon: sessions, their renewal, live streams and video chats."""
