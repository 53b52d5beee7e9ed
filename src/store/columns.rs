//! Columns that hold the name of an enum's variant. The enums themselves are bound and read on both databases.

use super::{StoreError, jobs};
use crate::base::names::{UnknownName, names};
use crate::report::entries::EntryKind;
use crate::report::role::Role;
use crate::report::status::{Source, Status};
use crate::vault::action::Action;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Type};
use std::fmt;

names! {
    "recordings.state";
    /// State of a recording.
    #[derive(serde::Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum RecordingState {
        /// The provider has the recording or is making it, or it is being streamed to the service; it is not sealed
        /// yet.
        Announced = "announced",
        /// The recording is sealed in the folder of recordings.
        Sealed = "sealed",
        /// The provider made no recording, or nothing came in its stream.
        Absent = "absent",
        /// The recording was lost while it was streamed, or a lead gave it up.
        Lost = "lost",
    }
}

names! {
    "report_keys.holder";
    /// The kind of key that a report's private half is sealed to.
    pub enum Holder {
        /// A line key.
        Line = "line",
        /// A member's key.
        Member = "member",
        /// The recovery key of a line.
        Recovery = "recovery",
    }
}

names! {
    "blobs.kind";
    /// The kind of a sealed file.
    pub enum BlobKind {
        /// A recording of a call.
        Recording = "recording",
    }
}

names! {
    "blobs.state";
    /// State of a sealed file's object.
    pub enum BlobState {
        /// The object is in the folder of recordings.
        Stored = "stored",
    }
}

/// Implements sqlx' traits of a text column for enums declared with `names!`. A stored name that no variant has is
/// [`StoreError::Unreadable`].
macro_rules! columns {
    ($($type:ty),* $(,)?) => {$(
        impl<DB: Database> Type<DB> for $type
        where
            str: Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <str as Type<DB>>::type_info()
            }

            fn compatible(ty: &DB::TypeInfo) -> bool {
                <str as Type<DB>>::compatible(ty)
            }
        }

        impl<'q, DB: Database> Encode<'q, DB> for $type
        where
            &'static str: Encode<'q, DB>,
        {
            fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                self.as_str().encode(buffer)
            }
        }

        impl<'r, DB: Database> Decode<'r, DB> for $type
        where
            &'r str: Decode<'r, DB>,
        {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(<&str as Decode<DB>>::decode(value)?.parse::<Self>()?)
            }
        }

        impl From<$type> for &'static str {
            fn from(value: $type) -> Self {
                value.as_str()
            }
        }
    )*};
}
columns!(
    Action,
    BlobKind,
    BlobState,
    EntryKind,
    Holder,
    RecordingState,
    Role,
    Source,
    Status,
    jobs::Kind
);

/// The stored kind of a job. A later version on another node may have enqueued jobs of kinds that this version does not
/// know: they do not stop the queue, and its lists contain them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredKind {
    /// A kind that this version knows.
    Known(jobs::Kind),
    /// The name of any other kind.
    Other(String),
}

impl StoredKind {
    /// Returns the name of the kind.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(kind) => kind.as_str(),
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for StoredKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<DB: Database> Type<DB> for StoredKind
where
    str: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <str as Type<DB>>::type_info()
    }

    fn compatible(ty: &DB::TypeInfo) -> bool {
        <str as Type<DB>>::compatible(ty)
    }
}

impl<'r, DB: Database> Decode<'r, DB> for StoredKind
where
    &'r str: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        let name = <&str as Decode<DB>>::decode(value)?;
        Ok(match name.parse() {
            Ok(kind) => Self::Known(kind),
            Err(UnknownName(_)) => Self::Other(name.to_owned()),
        })
    }
}

/// Returns the error for a value that is no name of its column; `None` for any other error.
pub(super) fn unknown_name(error: &sqlx::Error) -> Option<StoreError> {
    match error {
        sqlx::Error::ColumnDecode { source, .. } => {
            let UnknownName(column) = source.downcast_ref::<UnknownName>()?;
            Some(StoreError::Unreadable(column))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SCHEMA, all_statements, audit};
    use serde::Serialize;
    use std::collections::BTreeSet;

    /// Returns the texts in quotes of a statement, or of the schema without its comments.
    fn literals(sql: &str) -> impl Iterator<Item = &str> {
        sql.lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .flat_map(|line| line.split('\'').skip(1).step_by(2))
    }

    /// Names are bound from the enums. SQL contains only those of partial indexes: a statement has to repeat them as
    /// constants for the index to be used.
    #[test]
    fn no_statement_names_a_variant_but_those_of_partial_indexes() {
        let statements = all_statements();
        let texts = statements
            .iter()
            .flat_map(|text| [text.sqlite.as_str(), &text.postgres])
            .chain([SCHEMA]);
        let found: BTreeSet<&str> = texts.flat_map(literals).collect();
        let caller = EntryKind::Caller.as_str();
        let about_members = Action::ABOUT_MEMBERS.iter().map(|action| action.as_str());
        let of_indexes: Vec<&str> = std::iter::once(caller).chain(about_members).collect();
        let others = ["", "roster ", audit::SERVICE];
        let allowed = of_indexes.iter().copied().chain(others);
        assert_eq!(found, allowed.collect());
        assert_eq!(literals(SCHEMA).collect::<Vec<_>>(), of_indexes);
    }

    #[test]
    fn a_variant_has_one_name_in_columns_and_in_json() {
        fn in_json(value: impl Serialize) -> String {
            let name = serde_json::to_value(value).unwrap();
            name.as_str().unwrap().to_owned()
        }
        macro_rules! same {
            ($($type:ty: $names:literal;)*) => {$(
                let json: Vec<String> = <$type>::ALL.iter().map(in_json).collect();
                let columns: Vec<&str> = <$type>::ALL.iter().map(|one| one.as_str()).collect();
                assert_eq!([json.join(" ").as_str(), &columns.join(" ")], [$names; 2]);
            )*};
        }
        same! {
            Status: "queued claimed closed";
            Source: "call live";
            Role: "lead inspector auditor operator security_admin";
            RecordingState: "announced sealed absent lost";
            EntryKind: "caller call talk recording take transcript note classification outcome reply";
        }
    }
}
