"""From recordings to the people in them: frames, detections, tracks, the best crops of each, into a gallery store."""
