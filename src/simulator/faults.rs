//! How the exchange misbehaves when told to: what providers do on a bad day, one field each.

/// When the callback about a recording goes out, compared with the action of the same recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Callbacks {
    /// Once the action was answered: the usual order.
    #[default]
    AfterAction,
    /// Before the action.
    BeforeAction,
    /// Only once the call is over, after its status webhook.
    AfterCall,
    /// Never.
    Never,
}

/// What the REST side serves as a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serving {
    /// The bytes the caller spoke.
    #[default]
    Whole,
    /// The right length announced, half of it sent, then the connection breaks.
    CutShort,
    /// An HTML page with status 200.
    Html,
}

/// What goes wrong. The default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Every webhook is sent a second time, right after the first; the second answer is not acted upon.
    pub twice: bool,
    /// When callbacks about recordings are sent.
    pub callbacks: Callbacks,
    /// The action of a recording, or of a telephone that was rung, is lost and the line drops with it: the recording is
    /// made, the call ends.
    pub drop_action: bool,
    /// The status webhook at the end of a call is never sent.
    pub drop_status: bool,
    /// This many times each recording is answered 404 before it is served.
    pub not_yet: u32,
    /// What is served as a recording.
    pub serving: Serving,
}
