"""Where frames come from: video files, folders of frames, live streams."""
