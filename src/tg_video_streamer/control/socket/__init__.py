"""The local control socket: its protocol, server, client and address."""
