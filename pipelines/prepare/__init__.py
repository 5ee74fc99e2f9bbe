"""Raw data in, token shards out: `python -m pipelines.prepare`."""
