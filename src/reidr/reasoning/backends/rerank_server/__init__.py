"""Servers of rerankers that look at pictures: `/v1/rerank` and `/v1/score` of vLLM and SGLang."""
