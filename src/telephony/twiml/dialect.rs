//! How the dialects of TwiML differ, after each provider's own pages.

/// A dialect: what has to be written otherwise, or cannot be written at all.
#[derive(Debug)]
pub struct Dialect {
    /// Attributes of `Record` without which something of what was said is cut away, or is mixed with what the line says.
    pub recorded_whole: &'static [(&'static str, &'static str)],
    /// Attribute that asks to be told also of a recording that came to nothing, where that can be asked for.
    pub recording_events: Option<(&'static str, &'static str)>,
    /// Silence may end a recording. Where it may not, `#`, the limit and hanging up do.
    pub hears_silence: bool,
    /// An empty recording asks no action, and the next verb is carried out.
    pub goes_on_after_record: bool,
    /// A `Gather` nobody answered asks no action, and the next verb is carried out.
    pub goes_on_after_gather: bool,
    /// For how many seconds a telephone may ring, at least and at most.
    pub ringing: (u32, u32),
    /// How many seconds a talk may last, at least and at most.
    pub talking: (u32, u32),
}

/// What asks for both kinds of news of a recording.
const EVENTS: Option<(&str, &str)> = Some(("recordingStatusCallbackEvent", "completed absent"));

/// Twilio's own.
pub const TWILIO: Dialect = Dialect {
    recorded_whole: &[("trim", "do-not-trim")],
    recording_events: EVENTS,
    hears_silence: true,
    goes_on_after_record: true,
    goes_on_after_gather: false,
    ringing: (1, 600),
    talking: (1, 14_400),
};

/// SignalWire's cXML (Compatibility API, "Record", "Gather", "Dial"): nothing behind a `Record` is ever carried out; the
/// action is asked also when nothing was recorded.
pub const SIGNALWIRE: Dialect = Dialect {
    goes_on_after_record: false,
    ..TWILIO
};

/// Somleng's TwiML, as its switch carries it out: a `Record` has no `trim` and tells of a recording once it is there.
pub const SOMLENG: Dialect = Dialect {
    recorded_whole: &[],
    recording_events: None,
    goes_on_after_record: false,
    ..TWILIO
};

/// Telnyx' TeXML ("Record", "Gather", "Dial"). Two channels are recorded unless one is asked for, and silence is cut
/// off only when that is asked for. Silence is found by having what is said transcribed: that is never asked for, what
/// callers say is nobody's to write down but the inspectors'. A `Gather` has no `actionOnEmptyResult`.
pub const TELNYX: Dialect = Dialect {
    recorded_whole: &[("channels", "single")],
    recording_events: None,
    hears_silence: false,
    goes_on_after_record: true,
    goes_on_after_gather: true,
    ringing: (5, 120),
    talking: (60, 14_400),
};
