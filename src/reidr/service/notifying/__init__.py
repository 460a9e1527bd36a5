"""Telling other programs of matches in cases that a human opened: by webhook or MQTT. Never a live watch-list."""
