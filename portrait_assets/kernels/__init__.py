"""Pure functions and torch modules: frames and arrays in, frames and arrays out. No Dagster, no files but a model's own."""
