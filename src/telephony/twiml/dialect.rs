//! Differences between the dialects of TwiML, according to each provider's documentation.

/// A dialect of TwiML: its differences from Twilio's.
#[derive(Debug)]
pub struct Dialect {
    /// Attributes of `Record` without which silence, and quiet speech with it, is cut off the recording, or two
    /// channels are recorded.
    pub recorded_whole: &'static [(&'static str, &'static str)],
    /// Attribute that requests a callback also for a recording that was not made; `None` if the provider has no such
    /// attribute.
    pub recording_events: Option<(&'static str, &'static str)>,
    /// True if silence may end a recording. If false, only `#`, the limit and hanging up do.
    pub hears_silence: bool,
    /// True if the action is not requested after an empty recording, and the next verb is executed.
    pub goes_on_after_record: bool,
    /// True if the action is not requested after a `Gather` without input, and the next verb is executed.
    pub goes_on_after_gather: bool,
    /// Minimum and maximum ringing time, in seconds.
    pub ringing: (u32, u32),
    /// Minimum and maximum duration of a talk, in seconds.
    pub talking: (u32, u32),
    /// Fragment that is appended to the addresses the provider requests, and configures its retries; empty if the
    /// provider has none. The provider neither sends nor signs it.
    pub overrides: &'static str,
}

/// Attribute that requests callbacks for recordings that were made, and for those that were not.
const EVENTS: Option<(&str, &str)> = Some(("recordingStatusCallbackEvent", "completed absent"));

/// Twilio's own TwiML. The overrides ("Webhook connection overrides") make Twilio repeat, up to twice, a request that
/// could not connect in time, was answered with status 5xx, or was not answered within 5 seconds. A repeated request
/// changes nothing here, and gets the same answer again.
pub const TWILIO: Dialect = Dialect {
    recorded_whole: &[("trim", "do-not-trim")],
    recording_events: EVENTS,
    hears_silence: true,
    goes_on_after_record: true,
    goes_on_after_gather: false,
    ringing: (1, 600),
    talking: (1, 14_400),
    overrides: "#rc=2&rp=5xx,ct,rt&rt=5000",
};

/// SignalWire's cXML (Compatibility API, "Record", "Gather", "Dial"): nothing after a `Record` is ever executed; the
/// action is requested also when nothing was recorded.
pub const SIGNALWIRE: Dialect = Dialect {
    goes_on_after_record: false,
    overrides: "",
    ..TWILIO
};

/// Somleng's TwiML, as its switch executes it: `Record` has no `trim`, and its callback comes once the recording
/// exists.
pub const SOMLENG: Dialect = Dialect {
    recorded_whole: &[],
    recording_events: None,
    goes_on_after_record: false,
    overrides: "",
    ..TWILIO
};

/// Telnyx' TeXML ("Record", "Gather", "Dial"). Two channels are recorded unless one is requested, and silence is cut
/// off only on request. Telnyx detects silence by transcribing the speech; that is never requested, because only
/// inspectors may write down what callers say. A `Gather` has no `actionOnEmptyResult`.
pub const TELNYX: Dialect = Dialect {
    recorded_whole: &[("channels", "single")],
    recording_events: None,
    hears_silence: false,
    goes_on_after_record: true,
    goes_on_after_gather: true,
    ringing: (5, 120),
    talking: (60, 14_400),
    overrides: "",
};
