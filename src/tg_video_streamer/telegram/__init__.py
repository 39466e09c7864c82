"""The only importer of Telethon and ntgcalls."""
