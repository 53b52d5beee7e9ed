//! What inspectors do, whoever asks: the API and the console say the same things in their own way.
//!
//! Nothing here knows HTTP. Each function checks first whether the inspector may, and leaves in the audit trail what
//! it opened or changed, before anybody sees the answer.
//!
//! | file | does |
//! |---|---|
//! | [`opened`] | opens a report: the one place where what callers said becomes readable |
//! | [`queue`] | the list, and a report's trail |
//! | [`abandoned`] | calls that came to nothing |
//! | [`moves`] | claim, release, close, reopen |
//! | [`writing`] | notes and classifications |
//! | [`replies`] | what callers are answered |
//! | [`attention`] | of which lines every page tells |
//! | [`standing`], [`flood`] | how a line stands; is somebody flooding it |
//! | [`team`] | members and their lines |
//! | [`changes`] | what changed about them, shown to leads |
//! | [`live`] | what changes while somebody looks |
//! | [`per_session`] | what one session may have open at once |

pub mod abandoned;
pub mod attention;
pub mod changes;
pub mod flood;
mod held;
pub mod live;
pub mod moves;
pub mod opened;
pub mod queue;
pub mod replies;
pub mod standing;
pub mod team;
pub mod writing;

use crate::line::Line;
use crate::members::login::{self, Authenticated, Use};
use crate::report::role::Role;
use crate::report::status::{Move, Status};
use crate::service::Service;
use crate::service::held::Held;
use crate::store::members::{self, Member};
use crate::store::{HoldsStoreError, ReadTx, StoreError};
use crate::vault::seal::Identity;
use crate::vault::session::Token;
use std::sync::Arc;
use uuid::Uuid;

/// Why something was not done. The texts are for whoever asked, and repeat nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Not logged in, or not any more.
    #[error("not logged in")]
    LoggedOut,
    /// Logged in, with a role that does not open reports.
    #[error("this role does not work on reports")]
    NotForThisRole,
    /// Not there, or not theirs; nobody is told which.
    #[error("there is no such thing")]
    Missing,
    /// Only a lead may.
    #[error("only a lead does this")]
    LeadsOnly,
    /// The report's status does not allow the move; the status it has, when it is known.
    #[error("the report's status does not allow this")]
    WrongStatus(Move, Option<Status>),
    /// Somebody else has claimed the report.
    #[error("somebody else has claimed this report")]
    SomebodyElses,
    /// The caller has no receipt to hear a reply with.
    #[error("the caller has no receipt")]
    NoReceipt,
    /// Nobody approves what they wrote themselves.
    #[error("whoever wrote a reply does not approve it")]
    OwnReply,
    /// The report is closed.
    #[error("the report is closed")]
    Closed,
    /// The member works on a line the acting lead does not hold.
    #[error("this member also works on a line that is not yours")]
    OthersLine,
    /// A line, or the service, would have no lead without the member, or nobody with its key.
    #[error("this is the last lead, or the last member who holds a line's key")]
    LastOne,
    /// The account is confirmed by a member who neither added it nor was added by it.
    #[error("a third member has to confirm this account")]
    NoThird,
    /// With three members on the line one of them can confirm.
    #[error("the line has three members or more")]
    EnoughMembers,
    /// Too many wrong passwords before this one, which was not looked at.
    #[error("too many tries with a wrong password")]
    TooManyTries,
    /// What was written is not right.
    #[error("{0}")]
    Invalid(Invalid),
    /// The database failed, or holds what does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else failed on our side; for the log.
    #[error("{0}")]
    Failed(String),
}

/// What is not right about what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No text.
    #[error("The note is empty.")]
    EmptyNote,
    /// Too much text.
    #[error("The note is longer than 10,000 characters; make two of it.")]
    LongNote,
    /// No text to be spoken.
    #[error("The reply is empty.")]
    EmptyReply,
    /// Too much text to be spoken.
    #[error("The reply is longer than 500 characters.")]
    LongReply,
    /// Referred, but to whom?
    #[error("A referred report needs a destination: who deals with it now?")]
    NoDestination,
    /// A duplicate of nothing that is there, or of itself.
    #[error("The line has no other report with this reference.")]
    NoSuchReference,
    /// None of the choices there are.
    #[error("This is none of the choices.")]
    Choice,
    /// Too long for a line in a list.
    #[error("The destination is longer than 500 characters; put the rest into a note.")]
    LongDestination,
    /// Not what the line has.
    #[error("{0}")]
    Classification(String),
    /// Not the form of a name: see [`crate::members::MemberName`].
    #[error(
        "A name has 1 to 40 characters: letters and digits, also spaces and - _ . ' · , and at least one letter."
    )]
    Name,
    /// It stands for something else in the trail.
    #[error("This name stands for something else in the audit trail.")]
    ReservedName,
    /// Somebody has it.
    #[error("There is a member of this name already.")]
    NameTaken,
    /// It could be taken for another member's.
    #[error("This looks like the name of another member.")]
    NameLooksLike,
    /// Not one of the roles a member can be given.
    #[error("There is no such role.")]
    Role,
    /// The acting member's own password is wrong.
    #[error("Your own password is not this one.")]
    OwnPassword,
    /// The old password is wrong.
    #[error("The old password is wrong.")]
    WrongPassword,
    /// Too short a password.
    #[error("A password has twelve characters or more.")]
    ShortPassword,
    /// A common password, or a variant of one.
    #[error(
        "This password, or one like it, is often used and would be guessed; choose another one."
    )]
    CommonPassword,
    /// An inspector without a line has nothing to do.
    #[error("Choose at least one line.")]
    NoLine,
    /// The role opens no reports.
    #[error("Members with this role work on no line.")]
    NoReports,
    /// Nobody locks themselves out.
    #[error("You cannot lock yourself out.")]
    Oneself,
    /// A cursor of somebody else's making.
    #[error("This cursor is not one of ours.")]
    Cursor,
}

impl HoldsStoreError for DeskError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// Runs work that seals or opens on a thread for that: it would hold up every request that its own thread answers.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| DeskError::Failed("a worker stopped".into()))?
}

/// What these functions return.
pub type Result<T> = std::result::Result<T, DeskError>;

/// Somebody who is logged in and works on reports, and the lines whose keys they hold.
pub struct Inspector {
    who: Authenticated,
    held: Arc<Held>,
}

impl Inspector {
    /// Who a token belongs to, with their lines.
    ///
    /// # Errors
    ///
    /// [`DeskError::LoggedOut`], [`DeskError::NotForThisRole`].
    pub async fn admit(service: &Service, token: &Token, by: Use) -> Result<Self> {
        let who = login::authenticate(service, token, by)
            .await?
            .ok_or(DeskError::LoggedOut)?;
        if !who.member.role.works_on_reports() {
            return Err(DeskError::NotForThisRole);
        }
        let held = held::of(service, who.member.id, &who.identity).await?;
        Ok(Self { who, held })
    }

    /// Their name.
    pub fn name(&self) -> &str {
        &self.who.member.name
    }

    /// Their id.
    pub fn id(&self) -> Uuid {
        self.who.member.id
    }

    /// Their session.
    pub(crate) fn session(&self) -> [u8; 32] {
        self.who.hash
    }

    pub(crate) fn member(&self) -> &Member {
        &self.who.member
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.who.identity
    }

    /// What they may do.
    pub fn role(&self) -> Role {
        self.who.member.role
    }

    /// May they see everything of this line?
    pub fn has_line(&self, line: &str) -> bool {
        self.held.has_line(line)
    }

    /// The private half of a line key, sealed to them; none when they do not hold it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    async fn granted(
        &self,
        tx: &mut ReadTx,
        line_key: Uuid,
    ) -> std::result::Result<Option<Vec<u8>>, StoreError> {
        match self.held.has_key(line_key) {
            true => members::grant(tx, line_key, self.id()).await,
            false => Ok(None),
        }
    }

    /// The lines they may see, each once, in the order of the configuration.
    pub fn lines<'a>(&self, service: &'a Service) -> Vec<&'a Line> {
        let lines = &service.config.lines;
        let places = self.held.places().iter();
        places.map(|place| &lines[*place].line).collect()
    }

    /// The one line they name, or all of theirs.
    ///
    /// # Errors
    ///
    /// [`DeskError::Missing`] for a line that is not there or not theirs.
    pub fn lines_named<'a>(
        &self,
        service: &'a Service,
        named: Option<&str>,
    ) -> Result<Vec<&'a Line>> {
        let Some(wanted) = named.filter(|named| !named.is_empty()) else {
            return Ok(self.lines(service));
        };
        let line = service.config.line(wanted);
        let line = line.filter(|line| self.has_line(&line.id));
        Ok(vec![line.ok_or(DeskError::Missing)?])
    }
}
