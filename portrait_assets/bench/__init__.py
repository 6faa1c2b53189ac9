"""`make bench`: what the path costs on ten (or a hundred) million events, as ratios to one raw DuckDB pass in the same run."""
