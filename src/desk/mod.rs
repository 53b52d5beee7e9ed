//! Operations of inspectors, shared by the API and the console, which present the results in their own forms.
//!
//! This module does not use HTTP. The functions take the rights that they need as values ([`rights`]), and first check
//! whether the report or member is the inspector's. Those that open or change anything
//! of a report, or change a member's access, record it in the audit trail before they return the result.
//!
//! | file | does |
//! |---|---|
//! | [`rights`], [`fresh`] | what a member may do; what takes a password given a short time ago |
//! | [`opened`] | opens reports: the only module of the desk that decrypts what callers said |
//! | [`queue`] | the list, and a report's trail |
//! | [`abandoned`] | calls without a message |
//! | [`moves`] | claim, release, close, reopen |
//! | [`writing`] | notes and classifications |
//! | [`replies`] | replies to callers |
//! | [`attention`] | the lines that every page lists |
//! | [`standing`], [`flood`] | the state of a line; detection of call floods |
//! | [`team`], [`access`] | members and their lines; changes of their access |
//! | [`sessions`] | sessions that last, and their end |
//! | [`operations`] | the state of the whole service, for operators |
//! | [`audits`] | the trail of a line, for auditors |
//! | [`changes`] | changes of members, shown to leads |
//! | [`live`] | live updates of open pages |
//! | [`per_session`](crate::service::per_session) | limits on what one session may have open at once |

pub mod abandoned;
pub mod access;
pub mod attention;
pub mod audits;
pub mod changes;
pub mod flood;
pub mod fresh;
mod held;
pub mod live;
pub mod moves;
pub mod opened;
pub mod operations;
pub mod queue;
pub mod replies;
pub mod rights;
pub mod sessions;
pub mod standing;
pub mod team;
pub mod writing;

pub use rights::{Inspector, Lead};

use crate::report::status::{Move, Status};
use crate::store::{HoldsStoreError, StoreError};

/// Why an operation failed. The texts are for the client that asked, and contain nothing that it sent.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Not logged in, or the session has ended, or the member's rights or password have changed meanwhile.
    #[error("not logged in")]
    LoggedOut,
    /// Logged in, with a role that does not open reports.
    #[error("this role does not work on reports")]
    NotForThisRole,
    /// The object does not exist or is not accessible to the member; the two cases are not distinguished.
    #[error("there is no such thing")]
    Missing,
    /// The operation requires the role of a lead.
    #[error("only a lead may do this")]
    LeadsOnly,
    /// The report's status does not allow the move. Holds the move, and the report's status if that is known.
    #[error("the report's status does not allow this")]
    WrongStatus(Move, Option<Status>),
    /// Another member has claimed the report.
    #[error("another member has claimed this report")]
    SomebodyElses,
    /// The report has no receipt that opens it, or its receipts have changed meanwhile, so the caller would not hear
    /// the reply.
    #[error("the caller has no receipt")]
    NoReceipt,
    /// A reply cannot be approved by its author.
    #[error("a reply cannot be approved by its author")]
    OwnReply,
    /// The report is closed.
    #[error("the report is closed")]
    Closed,
    /// The member who is to be locked out or let back in works on a line whose key the acting lead does not hold.
    #[error("this member also works on a line that is not yours")]
    OthersLine,
    /// Without the member, a line or the service would have no lead, or a line would have no member who holds its key.
    #[error("this is the last lead, or the last member who holds a line's key")]
    LastOne,
    /// The acting member may not confirm the account, for example because both accounts have the same origin (see
    /// [`crate::members::confirming`]).
    #[error("a third member has to confirm this account")]
    NoThird,
    /// The line has three members or more, so the confirmation by a third member cannot be waived.
    #[error("the line has three members or more")]
    EnoughMembers,
    /// Too many tries with a password before this one, whose password was not checked.
    #[error("too many tries with a wrong password")]
    TooManyTries,
    /// The input is invalid.
    #[error("{0}")]
    Invalid(Invalid),
    /// The database failed, or holds data that cannot be read or opened.
    #[error("{0}")]
    Store(#[source] StoreError),
    /// Another internal failure. The text is for the log.
    #[error("{0}")]
    Failed(String),
}

/// What is invalid about the input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The note is empty.
    #[error("The note is empty.")]
    EmptyNote,
    /// The note is longer than 10,000 characters.
    #[error("The note is longer than 10,000 characters; make two of it.")]
    LongNote,
    /// The reply is empty.
    #[error("The reply is empty.")]
    EmptyReply,
    /// The reply is longer than 500 characters.
    #[error("The reply is longer than 500 characters.")]
    LongReply,
    /// The outcome is `referred`, without a destination.
    #[error("A referred report needs a destination: who deals with it now?")]
    NoDestination,
    /// The outcome is `duplicate`, with a reference that no other report of the line has.
    #[error("The line has no other report with this reference.")]
    NoSuchReference,
    /// The value is not one of the choices of the form.
    #[error("This is none of the choices.")]
    Choice,
    /// The destination of a referred report, or the reference of a duplicate, is longer than 500 characters.
    #[error("The destination is longer than 500 characters; put the rest into a note.")]
    LongDestination,
    /// The classification has a discipline or focus that the line does not have, or names one twice.
    #[error("{0}")]
    Classification(String),
    /// The name does not have the form of a name: see [`crate::members::MemberName`].
    #[error(
        "A name has 1 to 40 characters: letters and digits, also spaces and - _ . ' · , and at least one letter."
    )]
    Name,
    /// The name reads as an actor that is not a member in the audit trail.
    #[error("This name stands for something else in the audit trail.")]
    ReservedName,
    /// Another member has this name.
    #[error("There is a member of this name already.")]
    NameTaken,
    /// The name can be mistaken for that of another member.
    #[error("This looks like the name of another member.")]
    NameLooksLike,
    /// The role is not one that a lead can give a new member.
    #[error("There is no such role.")]
    Role,
    /// The acting member's own password is wrong.
    #[error("Your own password is not this one.")]
    OwnPassword,
    /// The acting member's own password is needed again, because it was given too long ago.
    #[error("Enter your own password once more.")]
    PasswordAgain,
    /// The old password is wrong.
    #[error("The old password is wrong.")]
    WrongPassword,
    /// The new password has fewer than twelve characters.
    #[error("A password has twelve characters or more.")]
    ShortPassword,
    /// A common password, or a variant of one.
    #[error(
        "This password, or one like it, is often used and would be guessed; choose another one."
    )]
    CommonPassword,
    /// No line was chosen for the new member.
    #[error("Choose at least one line.")]
    NoLine,
    /// The member's role does not open reports.
    #[error("Members with this role work on no line.")]
    NoReports,
    /// Members cannot lock themselves out.
    #[error("You cannot lock yourself out.")]
    Oneself,
    /// The cursor was not issued by this service, or is not for these lines.
    #[error("This cursor is not one of ours.")]
    Cursor,
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::SignerGone => Self::LoggedOut,
            error => Self::Store(error),
        }
    }
}

impl HoldsStoreError for DeskError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// Runs work that seals or opens data on a blocking thread, because on an async thread it would delay other requests.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| DeskError::Failed("a worker stopped".into()))?
}

/// The result of this module's functions.
pub type Result<T> = std::result::Result<T, DeskError>;
