"""Teaching the retriever."""
