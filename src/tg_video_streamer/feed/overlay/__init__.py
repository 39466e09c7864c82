"""What is drawn on an item's picture: logo, clock and title."""
