"""Messages to other programs about matches in cases that a human opened, by webhook or MQTT. No live watch-list."""
