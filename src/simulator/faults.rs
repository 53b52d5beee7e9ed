//! Faults of providers that the exchange can reproduce, one field each.

/// When the callback about a recording is sent, relative to the action of the same recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Callbacks {
    /// After the action was answered: the usual order.
    #[default]
    AfterAction,
    /// Before the action.
    BeforeAction,
    /// After the call is over and its status webhook, unless dropped, was sent.
    AfterCall,
    /// Never.
    Never,
}

/// What the REST API serves as the audio of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serving {
    /// The bytes the caller spoke.
    #[default]
    Whole,
    /// Half of the audio under a `Content-Length` for all of it, then the connection breaks.
    CutShort,
    /// An HTML page with status 200.
    Html,
}

/// The faults in effect. The default has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// True if every webhook is sent a second time, right after its first answer; the second answer is ignored.
    pub twice: bool,
    /// When callbacks about recordings are sent.
    pub callbacks: Callbacks,
    /// True if the action of a `<Dial>`, or of a `<Record>` in which something was said, is not sent and the call
    /// ends instead; the recording is kept.
    pub drop_action: bool,
    /// True if the status webhook at the end of a call is not sent.
    pub drop_status: bool,
    /// Number of requests for the audio of each recording that are answered 404 before it is served.
    pub not_yet: u32,
    /// What is served as the audio of a recording.
    pub serving: Serving,
}
