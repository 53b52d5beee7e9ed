//! Keys, sealing, sealed recordings.
