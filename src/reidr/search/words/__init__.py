"""Search by words: an English description becomes a query over the vocabulary, and crops are ranked by it.

`parse.parse_description` is deterministic and needs no model; `rank.rank_by_description` needs a probability for every
value of `reidr.data.vocabulary.VALUES` and every crop.
"""
