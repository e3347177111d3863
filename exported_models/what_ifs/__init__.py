"""Many what-ifs of one translation at once: ranked by effect, swept over settings, or searched for a wanted one."""
