//! The far side of a simulated line.
