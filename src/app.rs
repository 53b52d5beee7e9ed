//! Builds the service from the configuration, binds, runs, stops gracefully.
