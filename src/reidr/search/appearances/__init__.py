"""From found crops to tracks, appearances and a time line: the logic of it, without a store and without a model."""
