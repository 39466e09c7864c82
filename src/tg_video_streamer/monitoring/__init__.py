"""What monitoring reads: metrics, heartbeat and systemd's notifications."""
