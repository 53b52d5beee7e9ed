//! Rights of a member who has given their password a short time ago. What gives or takes access needs such a right, so
//! that a stolen session alone does not give lasting access.

use super::rights::{Right, SignedIn};
use super::{DeskError, Invalid, Result};
use crate::base::hidden::Hidden;
use crate::members::login::{self, LoginError};
use crate::service::Service;
use crate::store::sessions;
use crate::vault::seal::Identity;
use chrono::{DateTime, TimeDelta, Utc};
use scoped_futures::ScopedFutureExt;
use std::ops::Deref;

/// Time after a login, or after the password was given again, during which it is not asked for.
pub const LASTS: TimeDelta = TimeDelta::minutes(5);

/// A right of a member who has given their password within the last five minutes, at the login or later.
///
/// A function that needs it is not called with a right alone:
///
/// ```compile_fail
/// # use dutyline::{desk::{DeskError, access, rights::Lead}, service::Service};
/// async fn handler(service: &Service, lead: Lead, id: uuid::Uuid) -> Result<(), DeskError> {
///     access::disable(service, &lead, id).await
/// }
/// ```
///
/// ```
/// # use dutyline::{desk::{DeskError, access, fresh::Fresh, rights::Lead}, service::Service};
/// async fn handler(service: &Service, lead: Fresh<Lead>, id: uuid::Uuid) -> Result<(), DeskError> {
///     access::disable(service, &lead, id).await
/// }
/// ```
pub struct Fresh<R>(R);

impl<R> Deref for Fresh<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.0
    }
}

impl<R: Right> Fresh<R> {
    /// Returns the right as a fresh one. `own` is the member's own password; it may be empty if the session is fresh.
    /// A password that is given is checked in any case, and makes the session fresh. Wrong passwords are slowed down
    /// like those of a login.
    ///
    /// # Errors
    ///
    /// Returns [`Invalid::OwnPassword`] when the password is wrong; [`Invalid::PasswordAgain`] when it is missing and the
    /// session is not fresh; [`DeskError::TooManyTries`] when it was not checked; [`DeskError::LoggedOut`] when wrong ones have ended the
    /// session. Also when the database fails.
    pub async fn of(service: &Service, right: R, own: Hidden<String>) -> Result<Self> {
        let who = right.signed_in();
        let now = service.clock.system_now();
        if own.expose().is_empty() {
            return match is_fresh(who, now) {
                true => Ok(Self(right)),
                false => Err(DeskError::Invalid(Invalid::PasswordAgain)),
            };
        }
        prove(service, who, own, Invalid::OwnPassword).await?;
        let (console, session) = (&service.db.console, who.session());
        let store = console
            .write(|tx| async move { sessions::prove(tx, &session, now).await }.scope_boxed());
        store.await?;
        Ok(Self(right))
    }
}

/// True if the member gave their password within the last five minutes. A time in the future counts as long ago: the
/// clock was wrong then.
pub fn is_fresh(who: &SignedIn, now: DateTime<Utc>) -> bool {
    let passed = now - who.proved_at();
    passed >= TimeDelta::zero() && passed <= LASTS
}

/// Opens the member's key with their password. `wrong` is the error for a wrong password.
pub(super) async fn prove(
    service: &Service,
    who: &SignedIn,
    password: Hidden<String>,
    wrong: Invalid,
) -> Result<Identity> {
    let (member, session) = (who.member(), who.session());
    login::is_right(service, member, session, password)
        .await
        .map_err(|error| match error {
            LoginError::Store(error) => DeskError::Store(error),
            LoginError::Wrong => DeskError::Invalid(wrong),
            LoginError::TooMany => DeskError::TooManyTries,
            LoginError::SessionOver => DeskError::LoggedOut,
        })
}
