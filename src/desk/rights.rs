//! Rights as values. What a member may do is a type that only this module makes, from the row of the member whose
//! session asks: a function that needs a right takes it as a parameter, so a handler that has not asked for it does not
//! compile.
//!
//! | type | who |
//! |---|---|
//! | [`SignedIn`] | every member with a session |
//! | [`Inspector`] | works on reports: an inspector or a lead |
//! | [`Lead`] | decides within a line |
//! | [`Operator`] | looks after the service: health, jobs, providers |
//! | [`SecurityAdmin`] | looks after accounts: members, sessions, policies |
//! | [`Auditor`] | reads the trail; has no other role |
//!
//! The last three open no content.
//!
//! A handler with the right can call what needs it:
//!
//! ```
//! # use dutyline::{desk::{DeskError, rights::Lead, team}, service::Service};
//! async fn handler(service: &Service, lead: Lead) -> Result<usize, DeskError> {
//!     team::small_lines(service, &lead).await.map(|lines| lines.len())
//! }
//! ```
//!
//! One with a lesser right cannot:
//!
//! ```compile_fail
//! # use dutyline::{desk::{DeskError, rights::Inspector, team}, service::Service};
//! async fn handler(service: &Service, inspector: Inspector) -> Result<usize, DeskError> {
//!     team::small_lines(service, &inspector).await.map(|lines| lines.len())
//! }
//! ```
//!
//! And it cannot make the right itself:
//!
//! ```compile_fail
//! # use dutyline::{desk::rights::{Inspector, Lead}};
//! fn promote(inspector: Inspector) -> Lead {
//!     Lead(inspector)
//! }
//! ```

use super::{DeskError, Result, held};
use crate::line::Line;
use crate::members::login::{self, Authenticated, Use};
use crate::report::role::Role;
use crate::service::Service;
use crate::service::held::Held;
use crate::store::keys;
use crate::store::members::Member;
use crate::store::{ReadTx, StoreError};
use crate::vault::seal::Identity;
use crate::vault::session::{Token, Wrapping};
use crate::vault::signing::Signer;
use chrono::{DateTime, Utc};
use std::ops::Deref;
use std::sync::Arc;
use uuid::Uuid;

/// What a member may do by their role.
pub trait Right: Sized + Send + Sync {
    /// Returns the right if the member has it.
    ///
    /// # Errors
    ///
    /// Returns [`DeskError::LeadsOnly`] to an inspector who is no lead, and [`DeskError::NotForThisRole`] to other
    /// members. Also when the database fails, or a grant does not open with the member's key.
    fn of(service: &Service, who: SignedIn) -> impl Future<Output = Result<Self>> + Send;

    /// Returns the member without the right.
    fn signed_in(&self) -> &SignedIn;

    /// Returns the right of the member that a token belongs to. Extends the session if `by` is [`Use::Member`].
    ///
    /// # Errors
    ///
    /// Returns [`DeskError::LoggedOut`] when the token has no session that lasts or the member is locked out. Also as
    /// [`Right::of`].
    fn admit(
        service: &Service,
        token: &Token,
        by: Use,
    ) -> impl Future<Output = Result<Self>> + Send {
        async move {
            let who = login::authenticate(service, token, by).await?;
            Self::of(
                service,
                SignedIn(Arc::new(who.ok_or(DeskError::LoggedOut)?)),
            )
            .await
        }
    }
}

/// A logged-in member, whatever their role.
#[derive(Clone)]
pub struct SignedIn(Arc<Authenticated>);

impl SignedIn {
    /// Returns the member's name.
    pub fn name(&self) -> &str {
        &self.0.member.name
    }

    /// Returns the member's id.
    pub fn id(&self) -> Uuid {
        self.0.member.id
    }

    /// Returns the member's role.
    pub fn role(&self) -> Role {
        self.0.member.role
    }

    /// Returns the hash of the session's token.
    pub(crate) fn session(&self) -> [u8; 32] {
        self.0.hash
    }

    /// Returns the system time at which the member gave their password last, in this session.
    pub(super) fn proved_at(&self) -> DateTime<Utc> {
        self.0.proved_at
    }

    pub(crate) fn wrapping(&self) -> &Wrapping {
        &self.0.wrapping
    }

    pub(crate) fn member(&self) -> &Member {
        &self.0.member
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Returns what signs the links that the member causes.
    pub(crate) fn signer(&self) -> Signer {
        Signer::new(self.id(), &self.0.identity)
    }
}

impl Right for SignedIn {
    async fn of(_: &Service, who: SignedIn) -> Result<Self> {
        Ok(who)
    }

    fn signed_in(&self) -> &SignedIn {
        self
    }
}

/// A logged-in member whose role works on reports, with the lines whose keys they hold.
#[derive(Clone)]
pub struct Inspector {
    who: SignedIn,
    held: Arc<Held>,
}

/// Who works on reports is logged in.
impl Deref for Inspector {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.who
    }
}

impl Right for Inspector {
    async fn of(service: &Service, who: SignedIn) -> Result<Self> {
        if !who.role().works_on_reports() {
            return Err(DeskError::NotForThisRole);
        }
        let held = held::of(service, who.id(), who.identity()).await?;
        Ok(Self { who, held })
    }

    fn signed_in(&self) -> &SignedIn {
        self
    }
}

impl Inspector {
    /// Returns the right of a lead; `None` if the member is no lead.
    pub fn as_lead(&self) -> Option<Lead> {
        self.is_lead().then(|| Lead(self.clone()))
    }

    /// True if the member is a lead.
    pub fn is_lead(&self) -> bool {
        self.role() == Role::Lead
    }

    /// True if the member holds a key of this line, and so may see its reports.
    pub fn has_line(&self, line: &str) -> bool {
        self.held.has_line(line)
    }

    /// Returns the private half of a line key, sealed to the member, or `None` if they do not hold the key.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn granted(
        &self,
        tx: &mut ReadTx,
        line_key: Uuid,
    ) -> std::result::Result<Option<Vec<u8>>, StoreError> {
        match self.held.has_key(line_key) {
            true => keys::grant(tx, line_key, self.id()).await,
            false => Ok(None),
        }
    }

    /// Returns the lines that the member holds a key of, each once, in the order of the configuration.
    pub fn lines<'a>(&self, service: &'a Service) -> Vec<&'a Line> {
        let lines = &service.config.lines;
        let places = self.held.places().iter();
        places.map(|place| &lines[*place].line).collect()
    }

    /// Returns the named line, or all lines of the member if no line is named or the name is empty.
    ///
    /// # Errors
    ///
    /// [`DeskError::Missing`] for a line that does not exist or is not the member's.
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

/// A right to work on reports.
pub trait OnReports: Right {
    /// Returns the right of an inspector.
    fn inspector(&self) -> &Inspector;
}

impl OnReports for Inspector {
    fn inspector(&self) -> &Inspector {
        self
    }
}

impl OnReports for Lead {
    fn inspector(&self) -> &Inspector {
        self
    }
}

/// A lead: gives others the lines whose keys they hold, takes them away, and locks members out.
#[derive(Clone)]
pub struct Lead(Inspector);

/// A lead works on reports.
impl Deref for Lead {
    type Target = Inspector;

    fn deref(&self) -> &Inspector {
        &self.0
    }
}

impl Right for Lead {
    async fn of(service: &Service, who: SignedIn) -> Result<Self> {
        let inspector = Inspector::of(service, who).await?;
        inspector.as_lead().ok_or(DeskError::LeadsOnly)
    }

    fn signed_in(&self) -> &SignedIn {
        self
    }
}

/// Defines the right of a role that does not work on reports.
macro_rules! apart {
    ($(#[$doc:meta])* $name:ident, $role:expr) => {
        $(#[$doc])*
        pub struct $name(SignedIn);

        impl Deref for $name {
            type Target = SignedIn;

            fn deref(&self) -> &SignedIn {
                &self.0
            }
        }

        impl Right for $name {
            async fn of(_: &Service, who: SignedIn) -> Result<Self> {
                match who.role() == $role {
                    true => Ok(Self(who)),
                    false => Err(DeskError::NotForThisRole),
                }
            }

            fn signed_in(&self) -> &SignedIn {
                self
            }
        }
    };
}

apart! {
    /// Looks after the service.
    Operator, Role::Operator
}
apart! {
    /// Looks after accounts.
    SecurityAdmin, Role::SecurityAdmin
}
apart! {
    /// Reads the trail.
    Auditor, Role::Auditor
}
