"""Finding people in a frame: ONNX models of the usual kinds, or a detector of one's own."""
