"""The programme: the only clock, the timeline, the splices, the slate and the fan-out."""
