//! Audio files as telephones have them: WAV headers written, WAV files checked while they come in, sounds checked before they
//! are played.

pub mod format;
pub mod wav;
