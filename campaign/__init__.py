"""Hostile inputs, damage, kills and crowds: how a served workspace stands them, in as many cases as asked for."""
