"""The engine: the only clock, the timeline, the splices, the slate and the fan-out. It knows no item, feed or Telegram."""
