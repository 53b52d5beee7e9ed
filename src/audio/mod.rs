//! Audio files in telephone formats: writes WAV headers, checks WAV files while they are received, and checks sound
//! files before they are played.

pub mod format;
pub mod wav;
