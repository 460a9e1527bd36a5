"""Where the rollouts of a training come from: the model itself, or a vLLM server."""
