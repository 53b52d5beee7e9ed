//! Errors of the API: `application/problem+json` (RFC 9457). Each has two texts: one for the client, one for the log.

use crate::desk::{DeskError, Invalid};
use crate::report::status::{Move, Status};
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

/// The media type of every problem.
pub(super) const PROBLEM: &str = "application/problem+json";

/// Why a request failed, in words for the client.
#[derive(Debug)]
pub(in crate::web) struct Problem {
    status: StatusCode,
    detail: String,
}

/// What a problem looks like (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    /// Always `about:blank`: the status says which kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What failed, for a person. Repeats nothing of what was sent.
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }

    /// 400: the body or the query cannot be parsed.
    pub fn bad_request(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: not logged in, or the session has ended.
    pub fn log_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Log in with POST /api/v1/session, and send the token as Authorization: Bearer.",
        )
    }

    /// 401: the name or the password is wrong; the answer does not tell which.
    pub fn wrong_login() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "The name or the password is wrong.",
        )
    }

    /// 429: too many logins or too many wrong passwords.
    pub fn too_many() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many logins with this name or from this address at once; wait half a minute.",
        )
    }

    /// 404: the object does not exist or is not the member's; the answer does not tell which.
    pub fn missing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such thing here.")
    }

    /// 409: the report's status does not allow the move.
    fn wrong_status(step: Move, status: Option<Status>) -> Self {
        let (from, _) = step.between();
        let is = status.map_or("something else by now".to_owned(), |status| {
            status.to_string()
        });
        Self::new(
            StatusCode::CONFLICT,
            format!(
                "To {} a report it must be {from}; it is {is}.",
                step.as_str()
            ),
        )
    }

    /// 413: the body is too large.
    pub fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is larger than 64 KiB.",
        )
    }

    /// 415: the body's type is not JSON.
    pub fn unsupported() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send the body as Content-Type: application/json.",
        )
    }

    /// 416: the range begins after the end of the recording.
    pub fn out_of_range() -> Self {
        Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "The range begins behind the end of the recording.",
        )
    }

    /// 422: the body was parsed and is invalid.
    pub fn invalid(detail: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 500: tells the client nothing about the cause; `origin` is logged.
    pub fn internal(origin: &str) -> Self {
        error!(origin, "API request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something failed here; it has been noted. Try again.",
        )
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::LoggedOut => Self::log_in(),
            DeskError::NotForThisRole => Self::new(
                StatusCode::FORBIDDEN,
                "Your role does not work on reports; ask a lead.",
            ),
            DeskError::LeadsOnly => Self::new(StatusCode::FORBIDDEN, "Only a lead does this."),
            DeskError::Missing => Self::missing(),
            DeskError::WrongStatus(step, status) => Self::wrong_status(step, status),
            DeskError::SomebodyElses => Self::new(
                StatusCode::CONFLICT,
                "Somebody else has claimed this report; ask them, or a lead, to release it.",
            ),
            DeskError::NoReceipt => Self::new(
                StatusCode::CONFLICT,
                "The caller has no receipt, so nobody could hear a reply.",
            ),
            DeskError::OwnReply => Self::new(
                StatusCode::CONFLICT,
                "You wrote this reply; somebody else of the line has to approve it.",
            ),
            DeskError::Closed => Self::new(
                StatusCode::CONFLICT,
                "The report is closed; reopen it to classify it anew.",
            ),
            error @ (DeskError::OthersLine
            | DeskError::LastOne
            | DeskError::NoThird
            | DeskError::EnoughMembers) => Self::new(StatusCode::CONFLICT, error.to_string()),
            DeskError::TooManyTries => Self::too_many(),
            DeskError::Invalid(Invalid::NoSuchReference) => {
                Self::new(StatusCode::CONFLICT, Invalid::NoSuchReference.to_string())
            }
            DeskError::Invalid(Invalid::Cursor) => Self::bad_request(&Invalid::Cursor.to_string()),
            DeskError::Invalid(invalid) => Self::invalid(&invalid.to_string()),
            DeskError::Store(error) => error.into(),
            DeskError::Failed(origin) => Self::internal(&origin),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Details {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Answers addresses that do not exist with 404.
pub(in crate::web) async fn not_found() -> Problem {
    Problem::missing()
}

/// Answers addresses that exist with another method with 405.
pub(in crate::web) async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not do that.",
    )
}
