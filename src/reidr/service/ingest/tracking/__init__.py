"""Following people from frame to frame, and which crops of a track are worth keeping."""
