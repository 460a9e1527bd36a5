"""What requests and answers hold, with ONVIF's words where it has them: start, end, recording, likelihood, token."""
