//! The error responses of the API's operations, as the OpenAPI description names them.

use super::problem::{Details, PROBLEM};
use axum::http::{StatusCode, header};
use std::collections::BTreeMap;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// Defines a type for each error response, to be listed among the responses of an operation, and [`described`], which
/// returns the responses themselves.
macro_rules! described {
    ($($name:ident = $status:ident, $when:literal;)*) => {
        $(
            #[doc = $when]
            pub(super) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let reference = Ref::from_response_name(stringify!($name));
                    [(StatusCode::$status.as_str().to_owned(), reference.into())].into()
                }
            }
        )*

        /// Returns all error responses with the names by which operations refer to them.
        pub(super) fn described() -> impl Iterator<Item = (String, RefOr<Response>)> {
            [$((stringify!($name), StatusCode::$status, $when),)*]
                .into_iter()
                .map(|(name, status, when)| (name.to_owned(), describe(status, when).into()))
        }
    };
}

described! {
    Unreadable = BAD_REQUEST, "The body is not JSON.";
    WrongFilter = BAD_REQUEST, "A filter is unknown or invalid, or the cursor was not issued for these lines.";
    LoggedOut = UNAUTHORIZED, "The token is missing, malformed or unknown, or its session has ended.";
    WrongLogin = UNAUTHORIZED, "The name or the password is wrong, or the member is locked out; the \
        response does not tell which.";
    NotForThisRole = FORBIDDEN, "The member's role does not work on reports.";
    Missing = NOT_FOUND, "It does not exist or is not on one of your lines; the response does not tell which.";
    WrongStatus = CONFLICT, "The report's status does not allow this, another member has claimed the report, or it is \
        to be closed as a duplicate of a report that the line does not have.";
    NoReceipt = CONFLICT, "The caller has no receipt, so they cannot hear a reply.";
    OwnReply = CONFLICT, "You wrote this reply; another member has to approve it.";
    TooLarge = PAYLOAD_TOO_LARGE, "The body is larger than 64 KiB.";
    NotJson = UNSUPPORTED_MEDIA_TYPE, "The body's type is not `application/json`.";
    OutOfRange = RANGE_NOT_SATISFIABLE, "No byte of the recording is in the range.";
    Wrong = UNPROCESSABLE_ENTITY, "The body is JSON, but has the wrong shape or an invalid value.";
    TooMany = TOO_MANY_REQUESTS, "Too many logins at once with this name, from this address or in total.";
    Failed = INTERNAL_SERVER_ERROR, "An internal error; the response does not tell its cause.";
}

fn describe(status: StatusCode, when: &str) -> Response {
    let header = |what: &str| {
        HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .description(Some(what))
            .build()
    };
    let problem = Content::new(Some(Ref::from_schema_name(Details::name())));
    let mut response = ResponseBuilder::new()
        .description(when)
        .content(PROBLEM, problem);
    if status == StatusCode::UNAUTHORIZED {
        response = response.header(header::WWW_AUTHENTICATE.as_str(), header("`Bearer`."));
    }
    response.build()
}
