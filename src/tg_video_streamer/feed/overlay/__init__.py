"""The overlay on an item's picture: logo, clock and title."""
