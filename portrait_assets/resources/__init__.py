"""What assets ask for: the warehouse (DuckDB) and the tracking of models (MLflow)."""
