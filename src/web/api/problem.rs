//! Errors of the API: `application/problem+json` (RFC 9457). Each has a text for the client. The cause of an internal
//! error is only logged.

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

/// An error response: its status, and why the request failed, in words for the client.
#[derive(Debug)]
pub(in crate::web) struct Problem {
    status: StatusCode,
    detail: String,
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    /// Always `about:blank`: the status tells the kind of error.
    r#type: &'static str,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What failed, in words for a person. Repeats nothing of the request.
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
        }
    }

    /// 400: the body is not JSON, or the query is invalid.
    pub fn bad_request(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: the token is missing, malformed or unknown, or its session has ended.
    pub fn log_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Log in with POST /api/v1/session, and send the token as Authorization: Bearer.",
        )
    }

    /// 401: the name or the password is wrong, or the member is locked out; the answer does not tell which.
    pub fn wrong_login() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "The name or the password is wrong.",
        )
    }

    /// 429: the password was not checked, because there are too many logins at once with this name, from this address
    /// or in total.
    pub fn too_many() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many logins with this name or from this address at once; wait half a minute.",
        )
    }

    /// 404: the address or the object does not exist, or the object is on none of the member's lines; the answer does
    /// not tell which.
    pub fn missing() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is nothing at this address, or nothing that you have access to.",
        )
    }

    /// 409: the report does not have the status from which the move starts. `status` is the one it has, if known.
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

    /// 413: the body is larger than the limit, or was cut short.
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

    /// 416: no byte of the recording is in the requested range.
    pub fn out_of_range() -> Self {
        Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "No byte of the recording is in the range.",
        )
    }

    /// 422: the body is JSON, but has the wrong shape or an invalid value.
    pub fn invalid(detail: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 500: an internal error. `origin`, its cause, is logged; the client is not told.
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
            DeskError::LeadsOnly => Self::new(StatusCode::FORBIDDEN, "Only a lead may do this."),
            DeskError::Missing => Self::missing(),
            DeskError::WrongStatus(step, status) => Self::wrong_status(step, status),
            DeskError::SomebodyElses => Self::new(
                StatusCode::CONFLICT,
                "Another member has claimed this report; ask them, or a lead, to release it.",
            ),
            DeskError::NoReceipt => Self::new(
                StatusCode::CONFLICT,
                "The caller has no receipt, so nobody could hear a reply.",
            ),
            DeskError::OwnReply => Self::new(
                StatusCode::CONFLICT,
                "You wrote this reply; another member of the line has to approve it.",
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

/// Answers requests for unknown paths with 404.
pub(in crate::web) async fn not_found() -> Problem {
    Problem::missing()
}

/// Answers with 405 if the path exists, but not with the request's method.
pub(in crate::web) async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not support the method of the request.",
    )
}
