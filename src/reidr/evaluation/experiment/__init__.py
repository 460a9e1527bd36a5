"""One evaluation, whole."""
