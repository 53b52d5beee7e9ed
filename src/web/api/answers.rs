//! The problems an operation can answer with, as the OpenAPI description names them.

use super::problem::{Details, PROBLEM};
use axum::http::{StatusCode, header};
use std::collections::BTreeMap;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// Defines a type per problem, to be named among the responses of an operation. The type refers to an entry of
/// [`described`].
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

        /// Returns all problems with the names by which they are referred to.
        pub(super) fn described() -> impl Iterator<Item = (String, RefOr<Response>)> {
            [$((stringify!($name), StatusCode::$status, $when),)*]
                .into_iter()
                .map(|(name, status, when)| (name.to_owned(), describe(status, when).into()))
        }
    };
}

described! {
    Unreadable = BAD_REQUEST, "The body is not JSON.";
    WrongFilter = BAD_REQUEST, "A filter that is none, or a cursor that is not one of ours.";
    LoggedOut = UNAUTHORIZED, "Not logged in, or not any more.";
    WrongLogin = UNAUTHORIZED, "The name or the password is wrong; nobody is told which.";
    NotForThisRole = FORBIDDEN, "Logged in, with a role that does not work on reports.";
    Missing = NOT_FOUND, "Not there, or not yours; nobody is told which.";
    WrongStatus = CONFLICT, "The report's status does not allow it, or somebody else has claimed the report.";
    NoReceipt = CONFLICT, "The caller has no receipt, so nobody could hear a reply.";
    OwnReply = CONFLICT, "You wrote it yourself: somebody else has to approve it.";
    TooLarge = PAYLOAD_TOO_LARGE, "The body is larger than 64 KiB.";
    NotJson = UNSUPPORTED_MEDIA_TYPE, "The body's type is not `application/json`.";
    OutOfRange = RANGE_NOT_SATISFIABLE, "The range begins behind the end.";
    Wrong = UNPROCESSABLE_ENTITY, "JSON, but not what belongs here.";
    TooMany = TOO_MANY_REQUESTS, "Too many logins with this name at once.";
    Failed = INTERNAL_SERVER_ERROR, "Something failed on our side.";
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
